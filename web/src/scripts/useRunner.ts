/** Starts runs from the page of a script and follows the last one. What was typed stays while the page is left. */
import { useQuery } from '@tanstack/vue-query'
import { computed, reactive, type Ref, ref, shallowRef } from 'vue'
import { api, fetchOk, ok, type Run, type Schemas } from '../api/client'
import { refresh } from '../api/queries'
import { runQuery } from '../runs/ask'
import { bodyWith } from '../ui/args/json'
import { dropKept, keepText, keptText } from '../ui/kept'
import { isEnded } from '../ui/status'
import type { Settings } from './settings'

/** What is kept for each script while the page is open. */
interface Kept {
  /** The arguments, as JSON. */
  args: string
  /** The run that is shown. */
  id: string | undefined
  /** The function that is called; empty: the usual one. */
  entry: string
  /** The text that it ran, where that is known. */
  text: string | undefined
}

const kept = reactive(new Map<string, Kept>())
const place = (name: string): string => `cronbox.args.${name}`

function keptOf(name: string): Kept {
  const known = kept.get(name)
  if (known) return known
  kept.set(name, { args: keptText('tab', place(name)) ?? '', id: undefined, entry: '', text: undefined })
  return kept.get(name) as Kept
}

/** Takes over arguments that were typed before the script had its name. */
export function handArgs(from: string, to: string): void {
  keptOf(to).args = keptOf(from).args
  keepText('tab', place(to), keptOf(from).args)
  kept.delete(from)
  dropKept('tab', place(from))
}

/** The longest name that the server takes, in characters. */
const LONGEST = 100

export type Asked = { kind: 'saved' } | { kind: 'text'; source: string; settings: Settings }

/** What a run of unsaved text takes from the settings of the saved script: that of its block comes with the text. */
export function draftSettings(name: string, settings: Settings): Record<string, unknown> {
  const { limits, env, allow, timezone, result, entry } = settings
  const taken = { limits, env, allow, timezone, result, entry }
  const set = Object.fromEntries(Object.entries(taken).filter(([, value]) => value !== undefined))
  // With a name of its own it does not count as a run of the script.
  return { name: name === '' ? 'draft' : `${[...name].slice(0, LONGEST - 6).join('')}-draft`, ...set }
}

/** `title` is what a run of unsaved text is named after. */
export function useRunner(name: Ref<string>, title: Ref<string> = name) {
  const state = computed(() => keptOf(name.value))
  const args = computed({
    get: () => state.value.args,
    set: (text) => {
      state.value.args = text
      keepText('tab', place(name.value), text)
    },
  })
  const entry = computed({ get: () => state.value.entry, set: (now) => (state.value.entry = now) })
  const id = computed(() => state.value.id)
  const starting = ref(false)
  const problem = shallowRef<unknown>()
  /** What the server said of limits and hosts when the run was made. */
  const notGranted = shallowRef<Schemas['NotGranted'][]>([])

  const query = useQuery({
    ...runQuery(() => id.value ?? ''),
    enabled: () => id.value !== undefined,
    // The feed tells of the end only.
    refetchInterval: (asked) => (asked.state.data && isEnded(asked.state.data.status) ? false : 700),
  })
  const run = computed(() => (query.data.value?.id === id.value ? query.data.value : undefined))
  const isGoing = computed(() => starting.value || (run.value !== undefined && !isEnded(run.value.status)))

  async function start(asked: Asked, text: string | undefined, calls = ''): Promise<void> {
    starting.value = true
    problem.value = undefined
    notGranted.value = []
    try {
      const isSaved = asked.kind === 'saved'
      const called = calls === '' ? {} : { entry: calls }
      const body = bodyWith(args.value, isSaved ? called : { source: asked.source, ...draftSettings(title.value, asked.settings), ...called })
      const address = isSaved ? `v1/scripts/${encodeURIComponent(name.value)}/runs` : 'v1/runs'
      const answer = await fetchOk(address, { method: 'POST', body, headers: { 'Content-Type': 'application/json' } })
      const made = (await answer.json()) as Run
      state.value.id = made.id
      state.value.text = text
      notGranted.value = made.not_granted ?? []
      void refresh('runs')
    } catch (error) {
      problem.value = error
    } finally {
      starting.value = false
    }
  }

  async function cancel(): Promise<void> {
    if (id.value) await ok(api.POST('/v1/runs/{id}/cancel', { params: { path: { id: id.value } } }))
    await refresh('runs')
  }

  return { args, entry, id, run, ranText: computed(() => state.value.text), starting, isGoing, problem, notGranted, start, cancel }
}

export type Runner = ReturnType<typeof useRunner>
