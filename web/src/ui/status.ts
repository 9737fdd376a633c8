/** What each state looks like: an icon, a tone, and (in the messages) a word. */
import {
  Ban, BellOff, BellRing, CalendarClock, CircleCheck, CircleDashed, CircleDot, CirclePause, CircleSlash, CircleX, Clock, Flame, Fuel, LoaderCircle,
  MemoryStick, Power, PowerOff, TimerOff,
} from 'lucide-vue-next'
import type { Component } from 'vue'
import type { RunStatus, Schemas } from '../api/client'

export type Tone = 'good' | 'bad' | 'warn' | 'busy' | 'idle'
/** What else a channel and an alert can be: no type of the API has words for it. */
type Switched = 'on' | 'off' | 'muted' | 'held'
export type State = RunStatus | Schemas['ScheduleState'] | Schemas['AlertState'] | Schemas['DeliveryState'] | Switched

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
  ok: { icon: CircleCheck, tone: 'good' },
  firing: { icon: BellRing, tone: 'bad' },
  muted: { icon: BellOff, tone: 'idle' },
  waiting: { icon: CircleDashed, tone: 'busy' },
  sent: { icon: CircleCheck, tone: 'good' },
  dead: { icon: CircleX, tone: 'bad' },
  held: { icon: CirclePause, tone: 'warn' },
  on: { icon: Power, tone: 'good' },
  off: { icon: PowerOff, tone: 'bad' },
}

/** Statuses that a run does not leave. */
export const isEnded = (status: RunStatus): boolean => !['scheduled', 'queued', 'running'].includes(status)
/** Statuses of a run that began and went wrong. */
export const FAILURES: RunStatus[] = ['failed', 'timed_out', 'out_of_fuel', 'out_of_memory', 'crashed']
/** Statuses of fire times at which nothing ran. */
export const NOT_RUN: RunStatus[] = ['missed', 'skipped', 'abandoned']
