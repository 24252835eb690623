// A tour of Avanak's modern API: a message, a campaign and a one-time code, to their ends.
//
//     AVANAK_URL=http://127.0.0.1:8080 AVANAK_TOKEN=… node tour.mts 09121234567 09990000486
//
// Nothing beyond Node.js 22.18 or newer, which runs TypeScript as it is; `tsc` agrees with the
// types. The token of a sandbox (`avanak account token --sandbox`) makes it a rehearsal: play
// money, and nobody is called. The code is asked for on the standard input; in a sandbox it is
// 123456. Prints one line of JSON for each thing that has come to its end.

import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";

const PATIENCE_MS = 60_000;

/** A refusal (RFC 9457): `code` is for programs, the rest for people, in English and Persian. */
interface Refusal {
  status: number;
  code: string;
  title: string;
  fix: string;
  title_fa: string;
  fix_fa: string;
  detail?: string;
}

interface Message {
  object: "message";
  id: string;
  to: string;
  audio_id: number;
  /** Never goes back. */
  state: "queued" | "calling" | "ringing" | "answered" | "ended";
  /** Once it has ended. */
  result: string | null;
  heard_seconds: number;
  charged: number;
}

interface Campaign {
  object: "campaign";
  id: string;
  state: string;
  numbers: { total: number; waiting: number; open: number; results: Record<string, number> };
  charged: number;
}

interface DryRun {
  object: "dry_run";
  cost_min: number;
  cost_max: number;
}

interface Code {
  object: "code";
  id: string;
  state: "pending" | "approved" | "expired" | "exhausted" | "replaced";
  checks_left: number;
}

interface Page<Thing> {
  object: "list";
  data: Thing[];
  next_page: string | null;
}

interface Event {
  id: string;
  type: string;
  timestamp: string;
  sequence: number;
  /** Of the events of one call, which one; null where it tells of no call. */
  call_sequence: number | null;
  data: { object: string; id: string };
}

class Problem extends Error {
  readonly code: string;

  constructor(told: Refusal) {
    super([told.title, told.fix, told.detail].filter(Boolean).join(" "));
    this.code = told.code;
  }
}

class Avanak {
  readonly #url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.#url = url.replace(/\/$/, "");
    this.#token = token;
  }

  get<Answer>(path: string): Promise<Answer> {
    return this.#ask("GET", path);
  }

  post<Answer>(path: string, body: object): Promise<Answer> {
    return this.#ask("POST", path, JSON.stringify(body));
  }

  async #ask<Answer>(method: string, path: string, body?: string): Promise<Answer> {
    // The same key for each try: however often it is asked, it is done once.
    const headers: Record<string, string> = { Authorization: `Bearer ${this.#token}` };
    if (body !== undefined) {
      headers["Idempotency-Key"] = randomUUID();
      headers["Content-Type"] = "application/json";
    }
    for (let attempt = 0; attempt < 5; attempt += 1) {
      let seconds = 2 ** attempt;
      try {
        const signal = AbortSignal.timeout(30_000);
        const request: RequestInit = { method, headers, signal, body: body ?? null };
        const answer = await fetch(this.#url + path, request);
        if (answer.ok) return (await answer.json()) as Answer;
        // 503 says that nothing was done; anything else is for the caller to judge.
        if (answer.status !== 503) throw new Problem((await answer.json()) as Refusal);
        seconds = Number(answer.headers.get("Retry-After") ?? 1);
      } catch (error) {
        if (error instanceof Problem) throw error;
      }
      await pause(seconds * 1_000);
    }
    throw new Error(`${method} ${path} got no answer`);
  }

  /**
   * What happens to the account, as it happens (server-sent events), from now on; `undefined` is a
   * sign of life, and the first one says that nothing is missed from here on.
   */
  async *follow(signal: AbortSignal): AsyncGenerator<Event | undefined> {
    const headers: Record<string, string> = {
      Authorization: `Bearer ${this.#token}`,
      Accept: "text/event-stream",
    };
    // A stream ends after a while; whoever comes again with the last id misses nothing.
    while (!signal.aborted) {
      const stream = await fetch(`${this.#url}/v1/events`, { headers, signal });
      if (!stream.ok || !stream.body) throw new Problem((await stream.json()) as Refusal);
      let text = "";
      for await (const part of stream.body.pipeThrough(new TextDecoderStream())) {
        text += part;
        const blocks = text.split("\n\n");
        text = blocks.pop() ?? "";
        for (const block of blocks) {
          const data = block.split("\n").find((line) => line.startsWith("data: "));
          const event = data && (JSON.parse(data.slice("data: ".length)) as Event);
          if (event) headers["Last-Event-ID"] = event.id;
          yield event || undefined;
        }
      }
    }
  }
}

/** Keeps what has happened, so that nobody has to listen at the right moment. */
class Events {
  readonly #known: Event[] = [];
  readonly #stop = new AbortController();
  readonly ready: Promise<void>;

  constructor(avanak: Avanak) {
    this.ready = new Promise((resolve, reject) => {
      const listen = async () => {
        for await (const event of avanak.follow(this.#stop.signal)) {
          if (event) this.#known.push(event);
          else resolve();
        }
      };
      listen().catch((error: unknown) => {
        if (!this.#stop.signal.aborted) reject(error as Error);
      });
    });
  }

  /** The first event of these types that tells of the thing with this id. */
  async waitFor(types: string[], id: string): Promise<Event> {
    const deadline = Date.now() + PATIENCE_MS;
    while (Date.now() < deadline) {
      const found = this.#known.find((one) => types.includes(one.type) && one.data.id === id);
      if (found) return found;
      await pause(50);
    }
    throw new Error(`${id} did not come to ${types.join(" or ")}`);
  }

  close() {
    this.#stop.abort();
  }
}

function show(name: string, told: unknown) {
  console.log(JSON.stringify({ [name]: told }));
}

/** One message: what it may cost, then the call, then how it ended. */
async function send(avanak: Avanak, events: Events, number: string): Promise<Message> {
  const message = { to: number, text: "سلام. نوبت شما فردا ساعت ۱۰ است." };
  const price = await avanak.post<DryRun>("/v1/messages", { ...message, dry_run: true });
  const bounded = { ...message, max_cost: price.cost_max };
  const sent = await avanak.post<Message>("/v1/messages", bounded);
  const ended = (await events.waitFor(["message.ended"], sent.id)).data as Message;
  show("message", ended);
  return ended;
}

/** A list: a dry run says what it would come to, and nothing above that is spent. */
async function campaign(avanak: Avanak, events: Events, audioId: number, numbers: string[]) {
  const year = new Date().getUTCFullYear();
  const plan = {
    title: "یادآوری نوبت",
    audio_id: audioId,
    to: numbers,
    // Days and hours of Tehran; a Jalali date is taken, too.
    starts: `${year}-01-01`,
    ends: `${year + 1}-12-31`,
    tries: 2,
    minutes_between_tries: 0,
  };
  const foretold = await avanak.post<DryRun>("/v1/campaigns", { ...plan, dry_run: true });
  show("dry_run", foretold);
  const bounded = { ...plan, max_cost: foretold.cost_max };
  const made = await avanak.post<Campaign>("/v1/campaigns", bounded);
  await events.waitFor(["campaign.finished", "campaign.paused"], made.id);
  show("campaign", await avanak.get<Campaign>(`/v1/campaigns/${made.id}`));
  const path = `/v1/campaigns/${made.id}/numbers?limit=100`;
  const page = await avanak.get<Page<{ to: string; result: string | null }>>(path);
  show("numbers", Object.fromEntries(page.data.map((number) => [number.to, number.result])));
}

/** A one-time code that we never see: Avanak makes it, speaks it and checks what was typed. */
async function code(avanak: Avanak, number: string) {
  const started = await avanak.post<Code>("/v1/codes", { to: number });
  console.error("The code?");
  for await (const typed of createInterface({ input: process.stdin })) {
    try {
      const path = `/v1/codes/${started.id}/check`;
      show("code", await avanak.post<Code>(path, { code: typed.trim() }));
      break;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      show("refused", { code: error.code, why: error.message });
      if (error.code !== "code_wrong") break;
    }
  }
}

const { AVANAK_URL: url, AVANAK_TOKEN: token } = process.env;
const numbers = process.argv.slice(2);
const first = numbers[0];
if (!url || !token || !first) throw new Error("AVANAK_URL, AVANAK_TOKEN and a number are needed");
const avanak = new Avanak(url, token);
const events = new Events(avanak);
await events.ready;
const heard = await send(avanak, events, first);
// The text has become a message that can be played again.
await campaign(avanak, events, heard.audio_id, numbers);
await code(avanak, first);
events.close();
