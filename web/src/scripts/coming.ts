/** What newer servers tell of scripts. Older ones leave it out, and nothing is shown in its place. */
import type { RunStatus, Schemas, Script } from '../api/client'
import type { Schema } from '../ui/args/schema'

export interface RecentRun {
  id: string
  status: RunStatus
  created_at: string
  wall_ms?: number | null
}

export type FullScript = Script & {
  /** The JSON Schema of the entry's parameters; null: it is not known. */
  parameters?: Schema | null
  /** The other functions that a run can call. */
  entries?: Record<string, { signature: string; parameters: Schema | null }>
  /** The last ended runs, newest first. */
  recent?: RecentRun[]
  /** The soonest fire time of its schedules. */
  next_fire_at?: string | null
}

export type Uploaded = Omit<Schemas['Uploaded'], keyof Script> & FullScript

/** The settings of a script, as far as the page knows them. */
export interface Settings {
  title?: string
  entry?: string
  result?: 'json' | 'text' | 'none'
  timezone?: string
  labels?: Record<string, string>
  limits?: Record<string, string | number>
  env?: Record<string, string>
  allow?: string[]
  secrets?: string[]
  concurrency?: number
  retries?: { count: number; delay?: number; backoff?: string; max_delay?: number }
  retry_on?: string[]
  on_lost?: string
  keep?: Record<string, string | number>
  validate_args?: boolean
}

export const settingsOf = (script: Script): Settings => script.settings as Settings
