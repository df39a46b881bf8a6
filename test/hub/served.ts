// A test file -> a server like the Hub, and an empty home before each of its tests.
import { rmSync } from "node:fs";
import { afterAll, afterEach, beforeAll, beforeEach } from "vitest";
import { type HubServer, startHub } from "../fixtures/hub_server.js";
import { temporaryFolder } from "../fixtures/tiny_model.js";

/** @param take is told both before each test */
export function serveHub(take: (hub: HubServer, home: string) => void): void {
  let hub: HubServer;
  let home: string;
  beforeAll(async () => {
    hub = await startHub();
  });
  afterAll(() => hub.close());
  beforeEach(() => {
    home = temporaryFolder();
    hub.requests.length = 0;
    hub.repos.length = 0;
    take(hub, home);
  });
  afterEach(() => {
    hub.disturb = undefined;
    hub.partSize = undefined;
    rmSync(home, { recursive: true, force: true });
  });
}
