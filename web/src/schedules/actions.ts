/** The verbs of schedules, each with its message and what has to be asked for again after it. */
import { api, fetchOk, ok, type Run, type Schedule } from '../api/client'
import { refresh } from '../api/queries'
import { t } from '../i18n'
import { bodyWith } from '../ui/args/json'
import { confirm } from '../ui/confirm'
import { attempt, said } from '../ui/toasts'
import { readJson } from './trigger/json'

const path = (id: string) => ({ path: { id } })

/** Does it; then says so, and asks for the schedules again. */
async function change(work: () => Promise<unknown>, message: string): Promise<boolean> {
  const done = await attempt(work)
  if (done) said(message)
  await refresh('schedules', 'scheduler')
  return done
}

export const pause = (id: string): Promise<boolean> =>
  change(() => ok(api.POST('/v1/schedules/{id}/pause', { params: path(id) })), t('schedules.did.paused', { id }))

/** `from` is a time in the past, whose fire times are made up for under the schedule's policies; nothing: from now on. */
export const resume = (id: string, from?: string): Promise<boolean> =>
  change(
    () => ok(api.POST('/v1/schedules/{id}/resume', { params: path(id), body: from === undefined ? {} : { from } })),
    t('schedules.did.resumed', { id }),
  )

/** Starts the script now; with arguments, as they were typed, these instead of the schedule's own. An error is thrown. */
export async function start(id: string, args?: string): Promise<Run> {
  const body = args === undefined ? '{}' : bodyWith(args.trim() || '{}', {})
  const answer = await fetchOk(`v1/schedules/${encodeURIComponent(id)}/trigger`, { method: 'POST', body, headers: { 'Content-Type': 'application/json' } })
  const run = (await answer.json()) as Run
  said(t('schedules.did.triggered', { id }))
  await refresh('schedules', 'runs', 'counts')
  return run
}

/** `leave` goes to another page before the schedule, which is gone then, would be asked for again. */
export async function remove(id: string, leave: () => Promise<unknown>): Promise<void> {
  const sure = await confirm({
    title: t('schedules.remove.title', { id }),
    body: t('schedules.remove.body'),
    action: t('common.delete'),
    danger: true,
  })
  if (!sure) return
  const erase = async (): Promise<void> => {
    await ok(api.DELETE('/v1/schedules/{id}', { params: path(id) }))
    await leave()
  }
  await change(erase, t('schedules.did.deleted', { id }))
}

export async function pauseAll(): Promise<void> {
  const sure = await confirm({
    title: t('schedules.all.pauseTitle'),
    body: t('schedules.all.pauseBody'),
    action: t('schedules.all.pause'),
    danger: true,
  })
  if (sure) await change(() => ok(api.POST('/v1/scheduler/pause')), t('schedules.all.didPause'))
}

export const resumeAll = (): Promise<boolean> =>
  change(() => ok(api.POST('/v1/scheduler/resume', { body: {} })), t('schedules.all.didResume'))

/** A chain has no fire times to run for. */
export const isChain = ({ trigger }: Schedule): boolean => readJson(trigger)?.core.type.startsWith('after') === true

/** Whether its own page changes it, and not the source of its script. */
export const isEditable = (schedule: Schedule): boolean => schedule.origin === 'request'
