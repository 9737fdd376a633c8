/** What these pages ask the server for. */
import { useQuery } from '@tanstack/vue-query'
import { computed, type MaybeRefOrGetter, toValue } from 'vue'
import { api, ok, type Schemas, type Script } from '../api/client'

export type Secret = Schemas['Secret']
export type Token = Schemas['Token']
export type Grant = Schemas['Grant']

const on = (enabled?: MaybeRefOrGetter<boolean>) => computed(() => enabled === undefined || toValue(enabled))

export const useSecrets = () => useQuery({ queryKey: ['secrets', 'all'], queryFn: async () => (await ok(api.GET('/v1/secrets'))).items })
export const useTokens = (enabled?: MaybeRefOrGetter<boolean>) =>
  useQuery({ queryKey: ['tokens', 'all'], queryFn: async () => (await ok(api.GET('/v1/tokens'))).items, enabled: on(enabled) })
export const useGrants = () => useQuery({ queryKey: ['grants', 'all'], queryFn: async () => (await ok(api.GET('/v1/grants'))).items })

const PAGE = 500
/** More scripts than these are not looked through for what they ask. */
const MOST = 10_000

/** All scripts, with their settings. */
export const useAllScripts = () =>
  useQuery({
    queryKey: ['names', 'all scripts'],
    queryFn: async () => {
      const all: Script[] = []
      let cursor: string | undefined
      do {
        const query = { limit: PAGE, ...(cursor === undefined ? {} : { cursor }) }
        const page = await ok(api.GET('/v1/scripts', { params: { query } }))
        all.push(...page.items)
        cursor = page.next_cursor ?? undefined
      } while (cursor !== undefined && all.length < MOST)
      return all
    },
    staleTime: 30_000,
  })
