/** Scripts with their schemas as such, and their settings. */
import type { Schemas, Script } from '../api/client'
import type { Schema } from '../ui/args/schema'

export type RecentRun = Script['recent'][number]

export type FullScript = Omit<Script, 'parameters' | 'entries'> & {
  /** The JSON Schema of the entry's parameters; null: it is not known. */
  parameters: Schema | null
  /** The other functions that a run can call. */
  entries: Record<string, { signature: string; parameters: Schema | null }>
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
