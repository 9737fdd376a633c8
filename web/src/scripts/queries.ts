/** What this room asks the server for. */
import { keepPreviousData, useInfiniteQuery, useQuery } from '@tanstack/vue-query'
import { computed, type MaybeRefOrGetter, toValue } from 'vue'
import { api, fetchOk, ok, type Schemas, type Script } from '../api/client'
import { keyOf } from '../api/names'
import { filesOfZip } from '../ui/zip'

export interface ScriptFilter {
  q: string
  label: string
}

async function page({ q, label }: ScriptFilter, cursor: string): Promise<{ items: Script[]; next_cursor: string | null }> {
  const query = { limit: 100, ...(label ? { label } : {}), ...(q ? { q } : {}), ...(cursor ? { cursor } : {}) }
  return ok(api.GET('/v1/scripts', { params: { query } })) as ReturnType<typeof page>
}

/** The script of a name, if there is one: found in the list, because a script that is missing is no error here. */
export async function findScript(name: string): Promise<Script | undefined> {
  const wanted = keyOf(name)
  let cursor = ''
  do {
    const list = await page({ q: name, label: '' }, cursor)
    const found = list.items.find((script) => keyOf(script.name) === wanted)
    if (found) return found
    cursor = list.next_cursor ?? ''
  } while (cursor !== '')
  return undefined
}

export const useScripts = (filter: MaybeRefOrGetter<ScriptFilter>) =>
  useInfiniteQuery({
    queryKey: computed(() => ['scripts', 'list', toValue(filter)]),
    queryFn: ({ pageParam }) => page(toValue(filter), pageParam),
    initialPageParam: '',
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
  })

/** A script, and the tag of the state that was read. */
export interface Known {
  script: Script
  etag: string | undefined
}

export async function fetchScript(name: string): Promise<Known> {
  const answer = await fetchOk(`v1/scripts/${encodeURIComponent(name)}`)
  return { script: (await answer.json()) as Script, etag: answer.headers.get('ETag') ?? undefined }
}

export const useScript = (name: MaybeRefOrGetter<string>, enabled: MaybeRefOrGetter<boolean> = true) =>
  useQuery({
    queryKey: computed(() => ['scripts', 'one', toValue(name)]),
    queryFn: () => fetchScript(toValue(name)),
    enabled: () => toValue(enabled),
    // Another person may save it meanwhile; the feed does not tell of that.
    refetchInterval: 30_000,
  })

/** The content of a version. */
export interface Source {
  kind: 'text' | 'zip' | 'binary'
  /** Its files by path; one file has the name that a run gives it. */
  files: Map<string, Uint8Array<ArrayBuffer>>
  /** The path of the file where a run begins. */
  main: string
}

export async function fetchVersion(name: string, number: number): Promise<Schemas['Version'] | undefined> {
  const list = await ok(
    api.GET('/v1/scripts/{name}/versions', { params: { path: { name }, query: { limit: 1, cursor: String(number + 1) } } }),
  )
  return list.items.find((version) => version.version === number)
}

export async function fetchSource(name: string, number: number): Promise<Source> {
  const [answer, version] = await Promise.all([
    fetchOk(`v1/scripts/${encodeURIComponent(name)}/versions/${number}/source`),
    fetchVersion(name, number),
  ])
  const type = answer.headers.get('Content-Type') ?? ''
  const bytes = new Uint8Array(await answer.arrayBuffer())
  const main = version?.main ?? 'main.py'
  if (type.startsWith('application/zip')) return { kind: 'zip', files: await filesOfZip(bytes), main }
  return { kind: type.startsWith('text/') ? 'text' : 'binary', files: new Map([[main, bytes]]), main }
}

/** The content of a version never changes: it is asked for once. */
export const sourceQuery = (name: string, number: number) => ({
  queryKey: ['scripts', 'source', name, number],
  queryFn: () => fetchSource(name, number),
  staleTime: 'static' as const,
  gcTime: 300_000,
})

export const useSource = (name: MaybeRefOrGetter<string>, number: MaybeRefOrGetter<number | undefined>) =>
  useQuery(
    computed(() => {
      const version = toValue(number)
      return { ...sourceQuery(toValue(name), version ?? 0), enabled: version !== undefined }
    }),
  )

export const useVersions = (name: MaybeRefOrGetter<string>) =>
  useInfiniteQuery({
    queryKey: computed(() => ['scripts', 'versions', toValue(name)]),
    queryFn: ({ pageParam }) =>
      ok(
        api.GET('/v1/scripts/{name}/versions', {
          params: { path: { name: toValue(name) }, query: { limit: 50, ...(pageParam ? { cursor: pageParam } : {}) } },
        }),
      ),
    initialPageParam: '',
    getNextPageParam: (last) => last.next_cursor ?? undefined,
  })

export const useRunsOf = (name: MaybeRefOrGetter<string>, limit: number) =>
  useInfiniteQuery({
    queryKey: computed(() => ['runs', 'of-script', toValue(name), limit]),
    queryFn: ({ pageParam }) =>
      // The description also names CSV, which is not asked for.
      ok(
        api.GET('/v1/runs', { params: { query: { script: toValue(name), limit, ...(pageParam ? { cursor: pageParam } : {}) } } }),
      ) as Promise<Schemas['RunPage']>,
    initialPageParam: '',
    getNextPageParam: (last) => last.next_cursor ?? undefined,
    placeholderData: keepPreviousData,
  })

export const useSchedulesOf = (name: MaybeRefOrGetter<string>) =>
  useQuery({
    queryKey: computed(() => ['schedules', 'of-script', toValue(name)]),
    queryFn: () => ok(api.GET('/v1/schedules', { params: { query: { script: toValue(name), limit: 200 } } })),
  })
