// Headless Chromium, driven by chromedriver over the WebDriver protocol (W3C) with nothing but fetch.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** How long anything in the browser may take. */
export const DEADLINE_MS = 60_000;
/** How often the page is looked at meanwhile. */
const LOOK_MS = 100;

const ARGUMENTS = [
  "--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--window-size=900,1500",
  // On every machine the same: no vendor's service is reached.
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
];

/** Waits until `look` gives something; says what it waited for if that does not come. */
export async function until(what, look) {
  const end = Date.now() + DEADLINE_MS;
  let last;
  for (;;) {
    last = await look();
    if (last) return last;
    assert(Date.now() < end, `${what}: not within ${DEADLINE_MS / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** A browser with a profile of its own in a new folder below `work`. */
export class Browser {
  static async start(work) {
    const browser = new Browser();
    browser.folder = mkdtempSync(join(work, "browser."));
    // It writes below HOME, too.
    const environment = { ...process.env, HOME: browser.folder };
    browser.process = spawn("chromedriver", ["--port=0"], { env: environment, stdio: ["ignore", "pipe", "inherit"] });
    browser.process.on("error", (error) => assert.fail(`chromedriver: ${error.message}`));
    try {
      browser.base = `http://127.0.0.1:${await port(browser.process)}`;
      const args = [...ARGUMENTS, `--user-data-dir=${join(browser.folder, "profile")}`];
      // Chromium has no sandbox for root.
      if (process.getuid() === 0) args.push("--no-sandbox");
      const options = { "goog:chromeOptions": { args }, "goog:loggingPrefs": { browser: "ALL" } };
      const { sessionId, capabilities } = await browser.ask("POST", "/session", { capabilities: { alwaysMatch: options } });
      browser.base += `/session/${sessionId}`;
      browser.version = capabilities.browserVersion;
    } catch (error) {
      await browser.stop();
      throw error;
    }
    return browser;
  }

  async ask(method, path, content) {
    const init = { method, signal: AbortSignal.timeout(DEADLINE_MS) };
    if (content !== undefined) init.body = JSON.stringify(content);
    const { value } = await (await fetch(this.base + path, init)).json();
    if (value?.error) throw new Error(`${method} ${path}: ${value.error}: ${value.message}`);
    return value;
  }

  open(url) {
    return this.ask("POST", "/url", { url });
  }

  /** Runs the body of a function in the page. */
  run(script, ...args) {
    return this.ask("POST", "/execute/sync", { script, args });
  }

  /** The text that is shown of an element; empty if it is hidden. */
  text(id) {
    const script = "const element = document.getElementById(arguments[0]); return element?.checkVisibility() ? element.innerText : '';";
    return this.run(script, id);
  }

  async element(id) {
    return Object.values(await this.ask("POST", "/element", { using: "css selector", value: `#${id}` }))[0];
  }

  /** Presses a button as a visitor would: it must be there, shown and enabled. */
  async press(id) {
    const enabled = () => this.run("const button = document.getElementById(arguments[0]); return !button.disabled && !button.hidden;", id);
    await until(`button ${id} can be pressed`, enabled);
    await this.ask("POST", `/element/${await this.element(id)}/click`, {});
  }

  async type(id, text) {
    const element = await this.element(id);
    await this.ask("POST", `/element/${element}/clear`, {});
    await this.ask("POST", `/element/${element}/value`, { text });
  }

  /** Answers a question for permission in advance. */
  permit(name, state) {
    return this.ask("POST", "/permissions", { descriptor: { name }, state });
  }

  /** A command of Chromium's own protocol. */
  devtools(cmd, params = {}) {
    return this.ask("POST", "/goog/cdp/execute", { cmd, params });
  }

  /** What the console has said since it was asked last. */
  console() {
    return this.ask("POST", "/se/log", { type: "browser" });
  }

  async screenshot(file) {
    writeFileSync(file, Buffer.from(await this.ask("GET", "/screenshot"), "base64"));
  }

  async stop() {
    // Without a session there is nothing to end but the driver.
    if (this.version) await this.ask("DELETE", "").catch(() => {});
    if (this.process.exitCode === null && this.process.kill()) await once(this.process, "exit");
    // The last of its processes may still be writing.
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 20 });
  }
}

async function port(driver) {
  const late = AbortSignal.timeout(DEADLINE_MS);
  for await (const line of createInterface({ input: driver.stdout, signal: late })) {
    const found = /started successfully on port (\d+)/.exec(line);
    if (!found) continue;
    driver.stdout.resume();
    return Number(found[1]);
  }
  assert.fail(`chromedriver did not start within ${DEADLINE_MS / 1000} s`);
}
