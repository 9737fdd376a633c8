/** What each state looks like: an icon, a tone, and (in the messages) a word. */
import {
  Ban, CalendarClock, CircleCheck, CircleDashed, CircleDot, CirclePause, CircleSlash, CircleX, Clock, Flame, Fuel, LoaderCircle,
  MemoryStick, TimerOff,
} from 'lucide-vue-next'
import type { Component } from 'vue'
import type { RunStatus, Schemas } from '../api/client'

export type Tone = 'good' | 'bad' | 'warn' | 'busy' | 'idle'
export type State = RunStatus | Schemas['ScheduleState']

export const LOOKS: Record<State, { icon: Component; tone: Tone }> = {
  scheduled: { icon: CalendarClock, tone: 'idle' },
  queued: { icon: CircleDashed, tone: 'busy' },
  running: { icon: LoaderCircle, tone: 'busy' },
  succeeded: { icon: CircleCheck, tone: 'good' },
  failed: { icon: CircleX, tone: 'bad' },
  timed_out: { icon: TimerOff, tone: 'bad' },
  out_of_fuel: { icon: Fuel, tone: 'bad' },
  out_of_memory: { icon: MemoryStick, tone: 'bad' },
  crashed: { icon: Flame, tone: 'bad' },
  cancelled: { icon: Ban, tone: 'idle' },
  abandoned: { icon: CircleSlash, tone: 'warn' },
  missed: { icon: Clock, tone: 'warn' },
  skipped: { icon: CircleSlash, tone: 'warn' },
  active: { icon: CircleDot, tone: 'good' },
  paused: { icon: CirclePause, tone: 'warn' },
  finished: { icon: CircleCheck, tone: 'idle' },
}

/** Statuses that a run does not leave. */
export const isEnded = (status: RunStatus): boolean => !['scheduled', 'queued', 'running'].includes(status)
/** Statuses of a run that began and went wrong. */
export const FAILURES: RunStatus[] = ['failed', 'timed_out', 'out_of_fuel', 'out_of_memory', 'crashed']
/** Statuses of fire times at which nothing ran. */
export const NOT_RUN: RunStatus[] = ['missed', 'skipped', 'abandoned']
