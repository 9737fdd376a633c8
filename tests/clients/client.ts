// Uses the types that openapi-typescript made of the description (cronbox.d.ts), with openapi-fetch. The argument is the address
// of a server. It does not compile where the types are wrong, and throws where the server's answer is not the right one.

import createClient from "openapi-fetch";
import type { components, paths } from "./cronbox.d.ts";

declare const process: { argv: string[] };

type Schemas = components["schemas"];

const SOURCE = "def run(price=100):\n    print('asked for', price)\n    return {'price': price + 4.5}\n";
const url = process.argv[2];
if (url === undefined) {
  throw new Error("the address of a server is missing");
}
// Some answers can be CSV or a stream of events as well: the types of this client are those of JSON.
const client = createClient<paths, "application/json" | "application/problem+json">({ baseUrl: url });
const plain = createClient<paths, "text/plain" | "application/problem+json">({ baseUrl: url });

function same(found: unknown, right: unknown): void {
  if (JSON.stringify(found) !== JSON.stringify(right)) {
    throw new Error(`${JSON.stringify(found)} is not ${JSON.stringify(right)}`);
  }
}

/** What was answered, which is a problem when there is no data. */
function there<T>(answer: { data?: T; error?: Schemas["Problem"]; response: Response }): T {
  if (answer.data === undefined) {
    throw new Error(`${answer.response.status}: ${answer.error?.code}: ${answer.error?.detail}`);
  }
  return answer.data;
}

// A script, its runs, and what they wrote.
const body = { source: SOURCE, title: "Price", labels: { team: "data" } };
const uploaded = there(await client.PUT("/v1/scripts/{name}", { params: { path: { name: "price" } }, body }));
same([uploaded.name, uploaded.version, uploaded.title], ["price", 1, "Price"]);
const run: Schemas["Run"] = there(
  await client.POST("/v1/scripts/{name}/runs", {
    params: { path: { name: "price" }, query: { wait: "30s" } },
    body: { args: { price: 100 }, limits: { timeout: "30s" } },
  }),
);
const ended: string | null = run.finished_at;
same([run.status, run.cause, run.result_kind, run.error, ended === null], ["succeeded", "api", "json", null, false]);
same([run.result, run.labels, run.stdout.text], [{ price: 104.5 }, { team: "data" }, "asked for 100\n"]);
// A run needs no body.
const price = { params: { path: { name: "price" }, query: { wait: "30s" } } };
const bare = there(await client.POST("/v1/scripts/{name}/runs", price));
same(bare.result, { price: 104.5 });
same(there(await client.GET("/v1/runs/{id}", { params: { path: { id: run.id } } })).id, run.id);
const stream = { params: { path: { id: run.id, stream: "stdout" as const } }, parseAs: "text" as const };
const output: string = there(await plain.GET("/v1/runs/{id}/output/{stream}", stream));
same(output, "asked for 100\n");
const statuses: Schemas["RunStatus"][] = ["succeeded", "crashed"];
const page = there(await client.GET("/v1/runs", { params: { query: { script: "price", status: statuses, limit: 1 } } }));
const cursor: string | null = page.next_cursor;
same([page.items.length, typeof cursor], [1, "string"]);
const rest = { script: "price", result: "/price>100", cursor: cursor ?? "" };
const second = there(await client.GET("/v1/runs", { params: { query: rest } }));
same([second.items.map((item) => item.id), second.next_cursor], [[run.id], null]);

// A schedule.
const made = there(
  await client.POST("/v1/schedules", {
    body: { id: "daily", script: "price", trigger: "0 9 * * * @ Europe/Berlin", args: { price: 7 }, overlap: "skip" },
  }),
);
same([made.id, made.state, made.overlap, made.last_run], ["daily", "active", "skip", null]);
const daily = { path: { id: "daily" } };
const look = { params: { ...daily, query: { count: 2, from: "2030-01-01T00:00:00Z" } } };
const preview = there(await client.GET("/v1/schedules/{id}/preview", look));
same(preview.fires.map((fire) => Date.parse(fire.at)), [Date.UTC(2030, 0, 1, 8), Date.UTC(2030, 0, 2, 8)]);
const paused = there(await client.POST("/v1/schedules/{id}/pause", { params: daily }));
same([paused.state, paused.last_run], ["paused", null]);
same(there(await client.GET("/v1/schedules", { params: { query: { state: "paused" } } })).items.length, 1);
// Resuming needs no body.
same(there(await client.POST("/v1/schedules/{id}/resume", { params: daily })).state, "active");
same((await client.DELETE("/v1/schedules/{id}", { params: daily })).response.status, 204);

// A name that is not there.
const unknown = await client.GET("/v1/scripts/{name}", { params: { path: { name: "pricee" } } });
const problem: Schemas["Problem"] | undefined = unknown.error;
same([unknown.response.status, problem?.code, problem?.field === undefined], [404, "no_such_script", true]);

// Events.
const feed = there(await client.GET("/v1/events", { params: { query: { limit: 100 } } }));
const types: Schemas["EventType"][] = feed.items.map((event) => event.type);
for (const right of ["run_succeeded", "schedule_paused", "schedule_deleted"] as const) {
  same([right, types.includes(right)], [right, true]);
}

// What the types refuse.
// @ts-expect-error There is no such status.
const wrong: Schemas["RunStatus"] = "succeded";
// @ts-expect-error A trigger to look at is needed.
const missing: Schemas["PreviewRequest"] = { count: 3 };
// @ts-expect-error It can be null.
const certain: string = run.started_at;
void [wrong, missing, certain];
