// Headless Firefox, driven by its own remote protocol, Marionette, with nothing but a socket. It may be started again with
// the same profile, as a browser is.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { DEADLINE_MS, until } from "../browser/webdriver.mjs";

export class Firefox {
  /** A browser with a new profile below `work`, these preferences, and these certificate authorities. */
  static async make(work, preferences, certificates) {
    const firefox = new Firefox();
    firefox.folder = mkdtempSync(join(work, "firefox."));
    firefox.profile = join(firefox.folder, "profile");
    mkdirSync(firefox.profile);
    const lines = Object.entries({ ...PREFERENCES, ...preferences }).map(
      ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`,
    );
    writeFileSync(join(firefox.profile, "user.js"), lines.join(""));
    const database = `sql:${firefox.profile}`;
    await run("certutil", ["-N", "-d", database, "--empty-password"]);
    for (const [index, pem] of certificates.entries()) {
      await run("certutil", ["-A", "-n", `authority ${index}`, "-t", "C,,", "-i", pem, "-d", database]);
    }
    return firefox;
  }

  async start() {
    const port = join(this.profile, "MarionetteActivePort");
    rmSync(port, { force: true });
    const environment = { ...process.env, HOME: this.folder, MOZ_HEADLESS: "1", MOZ_CRASHREPORTER_DISABLE: "1" };
    // What a session of a desktop would add.
    for (const name of ["DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"]) delete environment[name];
    const words = ["--headless", "--no-remote", "--marionette", "--profile", this.profile, "about:blank"];
    this.process = spawn("firefox-esr", words, { env: environment, stdio: ["ignore", "ignore", "ignore"] });
    this.exit = once(this.process, "exit");
    this.exit.then(() => { this.ended = true; });
    this.ended = false;
    const found = await until("the port of Marionette", () => {
      assert(!this.ended, "firefox-esr ended by itself");
      return existsSync(port) && readFileSync(port, "utf8").trim();
    });
    this.socket = connect(Number(found), "127.0.0.1");
    this.pending = new Map();
    this.asked = 0;
    const greeted = new Promise((resolve) => { this.greeted = resolve; });
    let rest = Buffer.alloc(0);
    this.socket.on("data", (octets) => {
      rest = Buffer.concat([rest, octets]);
      for (;;) {
        const colon = rest.indexOf(":");
        if (colon < 0) return;
        const end = colon + 1 + Number(rest.subarray(0, colon));
        if (rest.length < end) return;
        this.hear(JSON.parse(rest.subarray(colon + 1, end)));
        rest = rest.subarray(end);
      }
    });
    this.socket.on("error", () => {});
    await greeted;
    const { capabilities } = await this.ask("WebDriver:NewSession", { capabilities: { alwaysMatch: { acceptInsecureCerts: false } } });
    this.version = capabilities.browserVersion;
    await this.ask("WebDriver:SetTimeouts", { script: DEADLINE_MS, pageLoad: DEADLINE_MS });
  }

  hear(message) {
    if (!Array.isArray(message)) return this.greeted(message);
    const [, id, error, result] = message;
    const { resolve, reject } = this.pending.get(id);
    this.pending.delete(id);
    error ? reject(new Error(`${error.error}: ${error.message}`)) : resolve(result);
  }

  ask(command, parameters = {}) {
    const id = ++this.asked;
    const text = JSON.stringify([0, id, command, parameters]);
    this.socket.write(`${Buffer.byteLength(text)}:${text}`);
    return new Promise((resolve, reject) => this.pending.set(id, { resolve, reject }));
  }

  open(url) {
    return this.ask("WebDriver:Navigate", { url });
  }

  /** Runs the body of an async function in the page; what it returns. */
  async run(body, ...args) {
    const script = `
      const done = arguments[arguments.length - 1];
      (async (...args) => { ${body} })(...Array.prototype.slice.call(arguments, 0, -1))
        .then((value) => done({ value }), (error) => done({ error: String(error) }));`;
    const { value } = await this.ask("WebDriver:ExecuteAsyncScript", { script, args, newSandbox: true });
    if (value.error) throw new Error(value.error);
    return value.value;
  }

  /** Runs the body of an async function as the browser itself may. */
  async privileged(body, ...args) {
    await this.ask("Marionette:SetContext", { value: "chrome" });
    try {
      return await this.run(body, ...args);
    } finally {
      await this.ask("Marionette:SetContext", { value: "content" });
    }
  }

  /** Ends as by its menu: what it knows is kept. */
  async quit() {
    await this.ask("Marionette:Quit", { flags: ["eAttemptQuit"] });
    await this.exit;
    this.socket.destroy();
  }

  kill() {
    this.process?.kill("SIGKILL");
  }
}

async function run(program, words) {
  const child = spawn(program, words, { stdio: ["ignore", "ignore", "inherit"] });
  child.on("error", (error) => assert.fail(`${program}: ${error.message}`));
  const [code] = await once(child, "exit");
  assert.equal(code, 0, `${program} ${words.join(" ")}`);
}

const PREFERENCES = {
  "marionette.port": 0,
  "browser.shell.checkDefaultBrowser": false,
  "browser.aboutwelcome.enabled": false,
  "datareporting.policy.dataSubmissionEnabled": false,
  "toolkit.telemetry.reportingpolicy.firstRun": false,
  "app.update.disabledForTesting": true,
  "extensions.update.enabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "services.settings.server": "data:,#remote-settings-dummy/v1",
  "network.proxy.type": 0,
  // Nobody is there to say yes.
  "permissions.default.desktop-notification": 1,
  // Marionette switches it off.
  "dom.push.connection.enabled": true,
  // Every message of these tests is silent, and there are many.
  "dom.push.maxQuotaPerSubscription": 10_000,
  "dom.push.retryBaseInterval": 200,
  "dom.push.requestTimeout": 10_000,
};
