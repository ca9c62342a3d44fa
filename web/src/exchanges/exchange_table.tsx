/** Exchanges as rows; a row is drawn again only when its record changes, so that a busy live list stays cheap. */
import { Component } from "preact";

import { exchangeHref } from "../address";
import type { Exchange } from "../api/types";
import { openRow } from "../parts/rows";
import { SkeletonRows } from "../parts/states";
import { type Column, shownColumns } from "./columns";

interface RowProps {
  exchange: Exchange;
  columns: readonly Column[];
  /** Names the set of columns: equal text, equal columns. */
  columnsKey: string;
  isFresh: boolean;
}

class Row extends Component<RowProps> {
  override shouldComponentUpdate(next: RowProps): boolean {
    return next.exchange !== this.props.exchange || next.columnsKey !== this.props.columnsKey;
  }

  override render({ exchange, columns, isFresh }: RowProps) {
    const address = exchangeHref(exchange.id);
    return (
      <tr data-row data-id={exchange.id} class={isFresh ? "is-fresh" : undefined} onClick={(event) => openRow(event, address)}>
        {columns.map((column) => (
          <td key={column.key} class={`cell-${column.key}${column.isFigure ? " number" : ""}`}>
            {column.cell(exchange)}
          </td>
        ))}
      </tr>
    );
  }
}

export interface ExchangeTableProps {
  /** Null while they load. */
  rows: readonly Exchange[] | null;
  caption: string;
  fresh?: ReadonlySet<string>;
  skeletonRows?: number;
}

export function ExchangeTable({ rows, caption, fresh, skeletonRows = 12 }: ExchangeTableProps) {
  const columns = shownColumns();
  const columnsKey = columns.map((column) => column.key).join();
  return (
    <div class="table-card">
      <table class="table exchanges">
        <caption class="spoken">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.key} scope="col" class={`cell-${column.key}${column.isFigure ? " number" : ""}`}>
                {column.name}
              </th>
            ))}
          </tr>
        </thead>
        {rows === null ? (
          <SkeletonRows columns={columns.length} rows={skeletonRows} />
        ) : (
          <tbody>
            {rows.map((exchange) => (
              <Row key={exchange.id} exchange={exchange} columns={columns} columnsKey={columnsKey} isFresh={fresh?.has(exchange.id) ?? false} />
            ))}
          </tbody>
        )}
      </table>
    </div>
  );
}
