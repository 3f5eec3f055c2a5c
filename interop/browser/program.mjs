// `webpush` as a child process: what it says, line by line, and how it ends.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { DEADLINE_MS } from "./webdriver.mjs";

export class Program {
  lines = [];
  ended = false;

  constructor(path, words) {
    this.name = `webpush ${words[0]}`;
    this.process = spawn(path, words, { stdio: ["ignore", "pipe", "inherit"] });
    this.exit = once(this.process, "exit").then(([code]) => code);
    const reader = createInterface({ input: this.process.stdout });
    reader.on("line", (line) => {
      this.lines.push(line);
      this.wake?.();
    });
    reader.on("close", () => {
      this.ended = true;
      this.wake?.();
    });
  }

  /** The first line, of those said so far or to come, that matches. */
  async says(pattern) {
    let timer;
    const late = new Promise((_, reject) => {
      const say = () => reject(new Error(`${this.name} did not say ${pattern}, but: ${this.lines.join(" | ")}`));
      timer = setTimeout(say, DEADLINE_MS);
    });
    try {
      for (;;) {
        for (const line of this.lines) {
          const found = pattern.exec(line);
          if (found) return found;
        }
        assert(!this.ended, `${this.name} ended without saying ${pattern}, but: ${this.lines.join(" | ")}`);
        await Promise.race([new Promise((resolve) => { this.wake = resolve; }), late]);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ctrl-C; the exit code. */
  async interrupt() {
    this.process.kill("SIGINT");
    return this.exit;
  }

  kill() {
    this.process.kill("SIGKILL");
  }
}
