/** What these pages ask the server for. */
import { useQuery } from '@tanstack/vue-query'
import { computed, type MaybeRefOrGetter, toValue } from 'vue'
import { type Alert, api, fetchOk, ok, type Schemas } from '../api/client'

export type About = Schemas['AlertAbout']
export type Channel = Schemas['Channel']
export type Delivery = Schemas['Delivery']
/** What alerts are about, as the list can be asked. */
export type Subject = { script: string } | { schedule: string } | { label: string }

/** What other people change is not in the feed of events: it is asked for this often, in milliseconds. */
export const SELDOM = 30_000
/** Messages that wait are sent without an event. */
const OFTEN = 3000
/** More alerts about one thing are not shown beside it. */
const MOST = 50

/** An alert, and the mark of its state. */
export interface Known {
  alert: Alert
  etag: string | undefined
}

export async function load(id: string): Promise<Known> {
  const answer = await fetchOk(`v1/alerts/${encodeURIComponent(id)}`)
  return { alert: (await answer.json()) as Alert, etag: answer.headers.get('ETag') ?? undefined }
}

export const useAlert = (id: MaybeRefOrGetter<string>) =>
  useQuery({ queryKey: ['alerts', 'one', computed(() => toValue(id))], queryFn: async () => (await load(toValue(id))).alert, refetchInterval: SELDOM })

/** The alerts about these things, each once. */
export const useAlertsAbout = (subjects: MaybeRefOrGetter<Subject[]>) =>
  useQuery({
    queryKey: ['alerts', 'about', computed(() => toValue(subjects))],
    queryFn: async () => {
      const pages = await Promise.all(toValue(subjects).map((query) => ok(api.GET('/v1/alerts', { params: { query: { ...query, limit: MOST } } }))))
      return pages.flatMap((page) => page.items)
    },
    refetchInterval: SELDOM,
  })

export const useFiring = (limit: number) =>
  useQuery({
    queryKey: ['alerts', 'firing', limit],
    queryFn: async () => (await ok(api.GET('/v1/alerts', { params: { query: { state: 'firing', limit } } }))).items,
    refetchInterval: SELDOM,
  })

export const useChannels = () =>
  useQuery({ queryKey: ['channels', 'all'], queryFn: async () => (await ok(api.GET('/v1/channels'))).items, refetchInterval: SELDOM })

/** The mark of a channel's state. */
export async function channelMark(name: string): Promise<string | undefined> {
  return (await fetchOk(`v1/channels/${encodeURIComponent(name)}`)).headers.get('ETag') ?? undefined
}

/** The whole scheduler: it says whether all alerts are muted. */
export const useScheduler = () => useQuery({ queryKey: ['scheduler'], queryFn: () => ok(api.GET('/v1/scheduler')), refetchInterval: 60_000 })

/** The newest messages that fit. */
export const useDeliveries = (query: MaybeRefOrGetter<{ alert?: string; run?: string }>, limit: number, enabled: MaybeRefOrGetter<boolean> = true) =>
  useQuery({
    queryKey: ['deliveries', 'of', computed(() => toValue(query)), limit],
    queryFn: async () => (await ok(api.GET('/v1/deliveries', { params: { query: { ...toValue(query), limit } } }))).items,
    enabled: () => toValue(enabled),
    refetchInterval: ({ state }) => againIn(state.data),
  })

/** When messages are asked for again: soon while one of them is to be sent. */
export const againIn = (shown: readonly Delivery[] | undefined): number => (shown?.some((each) => each.state === 'waiting') ? OFTEN : SELDOM)

/** A time of muting that is over is told until something changes. */
export const isMuted = (until: string | null | undefined, now: number): until is string => typeof until === 'string' && Date.parse(until) > now

/** Whether its own page changes it, and not the source of a script. */
export const isEditable = (alert: Alert): boolean => alert.origin === 'request'
/** What the server deletes on request: of an alert of a block, only what its script left behind. */
export const ownerOf = ({ about }: Alert): string | undefined => about.script
