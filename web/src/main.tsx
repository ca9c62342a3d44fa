/** Entry of the page: styles, the two listeners, and the first drawing. */
import { render } from "preact";

import "./style/tokens.css";
import "./style/base.css";
import "./style/frame.css";
import "./style/parts.css";
import "./style/tables.css";
import "./style/topology.css";
import "./style/charts.css";
import "./style/exchanges.css";
import "./style/exchange.css";
import "./style/print.css";
import { listen as listenToAddress } from "./address";
import { App } from "./app";
import { listen as listenToKeys } from "./keys";

listenToAddress();
listenToKeys();
const place = document.getElementById("page");
if (place !== null) render(<App />, place);
