/** The verbs of alerts, channels and messages, each with its message and what has to be asked for again after it. */
import { type Alert, api, ok, type Schemas } from '../api/client'
import { refresh } from '../api/queries'
import { t } from '../i18n'
import { formatTime } from '../i18n/format'
import { confirm } from '../ui/confirm'
import { attempt, said } from '../ui/toasts'
import type { Channel, Delivery } from './data'

/** Mutes an alert, or all of them, for so long: `2h`. An error is thrown. */
export async function mute(id: string | undefined, span: string): Promise<void> {
  const body = { for: span }
  const muted =
    id === undefined
      ? await ok(api.POST('/v1/scheduler/mute', { body }))
      : await ok(api.POST('/v1/alerts/{id}/mute', { params: { path: { id } }, body }))
  const until = muted.muted_until === null ? '' : formatTime(muted.muted_until)
  said(id === undefined ? t('alerts.mute.didAll', { until }) : t('alerts.mute.did', { id, until }))
  await refresh('alerts', 'scheduler')
}

export async function unmute(id: string): Promise<void> {
  if (await attempt(() => ok(api.POST('/v1/alerts/{id}/unmute', { params: { path: { id } } })))) said(t('alerts.mute.undid', { id }))
  await refresh('alerts')
}

export async function unmuteAll(): Promise<void> {
  if (await attempt(() => ok(api.POST('/v1/scheduler/unmute')))) said(t('alerts.mute.undidAll'))
  await refresh('alerts', 'scheduler')
}

/** `leave` goes to another page before the alert, which is gone then, would be asked for again. */
export async function removeAlert({ id }: Alert, leave: () => Promise<unknown>): Promise<void> {
  const sure = await confirm({ title: t('alerts.remove.title', { id }), body: t('alerts.remove.body'), action: t('common.delete'), danger: true })
  if (!sure) return
  const erase = async (): Promise<void> => {
    await ok(api.DELETE('/v1/alerts/{id}', { params: { path: { id } } }))
    await leave()
  }
  if (await attempt(erase)) said(t('alerts.remove.did', { id }))
  await refresh('alerts')
}

/** `used` is how many alerts tell it. */
export async function removeChannel({ name }: Channel, used: number): Promise<void> {
  const sure = await confirm({
    title: t('alerts.channels.removeTitle', { name }),
    body: t('alerts.channels.removeBody', { count: used }, used),
    action: t('common.delete'),
    danger: true,
  })
  if (!sure) return
  if (await attempt(() => ok(api.DELETE('/v1/channels/{name}', { params: { path: { name } } })))) said(t('alerts.channels.removed', { name }))
  await refresh('channels', 'alerts', 'deliveries')
}

/** Sends a message to a channel, and waits for the answer. An error is thrown. */
export const testChannel = (name: string): Promise<Schemas['ChannelTest']> => ok(api.POST('/v1/channels/{name}/test', { params: { path: { name } } }))

export async function redeliver({ id, channel }: Delivery): Promise<void> {
  if (await attempt(() => ok(api.POST('/v1/deliveries/{id}/redeliver', { params: { path: { id } } })))) said(t('alerts.deliveries.again', { channel }))
  await refresh('deliveries', 'channels')
}
