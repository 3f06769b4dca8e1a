/** The kernel's messages: kept for dmesg, and shown on the console as long as nobody else uses it. */
const MAX_LINES = 512;
const NS_PER_US = 1000n;

export interface LogLine {
  readonly sequence: number;
  /** 0 emergency … 7 debug. */
  readonly level: number;
  readonly ns: bigint;
  readonly text: string;
}

export class KernelLog {
  /** Called for every line. */
  onLine: (line: LogLine) => void = () => {};
  readonly #now: () => bigint;
  readonly #lines: LogLine[] = [];
  #sequence = 0;

  constructor(now: () => bigint) {
    this.#now = now;
  }

  print(text: string, level = 6): void {
    for (const one of text.split('\n')) {
      const line = { sequence: this.#sequence++, level, ns: this.#now(), text: one };
      this.#lines.push(line);
      if (this.#lines.length > MAX_LINES) this.#lines.shift();
      this.onLine(line);
    }
  }

  /** As /dev/kmsg tells them. */
  records(): string[] {
    return this.#lines.map(
      ({ level, sequence, ns, text }) => `${level},${sequence},${ns / NS_PER_US},-;${text}\n`,
    );
  }

  /** As syslog(2) tells them. */
  text(): string {
    return this.#lines.map((line) => `<${line.level}>${logStamp(line.ns)}${line.text}\n`).join('');
  }
}

/** "[    1.234567] " */
export function logStamp(ns: bigint): string {
  const seconds = String(ns / 1_000_000_000n).padStart(5);
  const us = String((ns / NS_PER_US) % 1_000_000n).padStart(6, '0');
  return `[${seconds}.${us}] `;
}
