/** The little of a browser that modules touch when they are loaded. */
Object.assign(globalThis, { location: new URL("http://rover.test/exchanges?range=1h&service=cart") });
