/** Runs of the past, written into the database: as many as no journey could wait for. */
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { PATIENCE, type Server } from './support.ts'

export interface Past {
  /** How long before the run that is copied, in milliseconds. */
  ago: number
  /** JSON. */
  result: string
}

/** Copies the only run of a script to earlier times. */
export function fill(server: Server, script: string, values: Iterable<Past>): void {
  // The server writes as well.
  const database = new DatabaseSync(server.database, { timeout: PATIENCE })
  const run = database.prepare('SELECT * FROM runs WHERE name = ?').get(script) as Record<string, SQLInputValue>
  const guard = database.prepare("SELECT sql FROM sqlite_master WHERE name = 'runs_begin'").get() as { sql: string }
  const columns = Object.keys(run)
  database.exec('BEGIN; DROP TRIGGER runs_begin')
  const insert = database.prepare(`INSERT INTO runs (${columns.join()}) VALUES (${columns.map(() => '?').join()})`)
  let n = 0
  for (const { ago, result } of values) {
    const at = Number(run['created_at']) - ago * 1000
    const time = Math.floor(at / 1000).toString(16).padStart(12, '0')
    const id = `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-${n.toString(16).padStart(12, '0')}`
    const changed: Record<string, SQLInputValue> = { id, created_at: at, run_at: at, started_at: at, finished_at: at + 1000, result }
    insert.run(...columns.map((name) => changed[name] ?? run[name] ?? null))
    n += 1
  }
  database.exec(guard.sql)
  database.exec('COMMIT')
  database.close()
}
