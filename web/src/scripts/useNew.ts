/** A script that is being made: its name, and its text or files. */
import { useQuery } from '@tanstack/vue-query'
import { computed, ref, shallowRef, watch } from 'vue'
import { refresh } from '../api/queries'
import { type Collected, MOST_BYTES, mainOf, nameOf, textIn } from './collect'
import { draftOf, dropDraft, keepDraft, NEW } from './drafts'
import { START } from './examples'
import { type Content, publish, type Step, type Uploaded } from './publish'
import { findScript } from './queries'
import { type Files, zipOf } from '../ui/zip'

/** Keys of the draft. */
const [TEXT, NAME] = ['text', 'name']

/** Several files. They stay while the page is open: a browser keeps only texts. */
interface Bundle {
  files: Files
  main: string | undefined
  leftOut: string[]
}
const bundle = shallowRef<Bundle>()

/** A script that is being made goes on being made while other pages are open. */
const creating = ref(false)
const step = shallowRef<Step>()
const problem = shallowRef<unknown>()
/** What was made after its page had been left. */
const madeLater = shallowRef<Uploaded>()

export function useNew() {
  const draft = draftOf(NEW)
  // Why it was not made is told until something else is begun.
  if (!draft && !creating.value) problem.value = undefined
  const name = ref(draft?.texts[NAME] ?? '')
  const text = ref(draft?.texts[TEXT] ?? START)
  const leftOut = shallowRef<string[]>([])
  /** The name that came with files. */
  let suggested = ''
  const isTouched = computed(() => text.value !== START)
  const clean = computed(() => name.value.trim().replace(/\.py$/, ''))

  watch([name, text], () => {
    if (name.value === '' && !isTouched.value) dropDraft(NEW)
    else keepDraft(NEW, { texts: { [NAME]: name.value, [TEXT]: text.value } })
  })

  /** Takes files: one becomes the text. */
  function take(collected: Collected): void {
    // A name that somebody typed stays.
    if (name.value === '' || name.value === suggested) name.value = suggested = collected.name
    const single = textIn(collected.files)
    leftOut.value = collected.leftOut
    if (single !== undefined) {
      text.value = single
      bundle.value = undefined
      return
    }
    bundle.value = { files: collected.files, main: mainOf(collected.files, collected.name), leftOut: collected.leftOut }
  }

  const size = computed(() => [...(bundle.value?.files.values() ?? [])].reduce((sum, bytes) => sum + bytes.length, 0))
  const archive = computed(() => (bundle.value && size.value <= MOST_BYTES ? zipOf(bundle.value.files) : undefined))
  const content = computed<Content | undefined>(() => {
    if (!bundle.value) return { body: text.value }
    return archive.value && bundle.value.main ? { body: archive.value, main: bundle.value.main } : undefined
  })

  const taken = useQuery({
    queryKey: computed(() => ['scripts', 'taken', clean.value]),
    queryFn: async () => (await findScript(clean.value))?.name ?? '',
    enabled: () => clean.value !== '' && nameOf(clean.value) === clean.value,
    staleTime: 2000,
  })

  async function create(): Promise<Uploaded | undefined> {
    if (!content.value || creating.value) return undefined
    const sent = { name: name.value, text: text.value, bundle: bundle.value }
    creating.value = true
    problem.value = undefined
    try {
      if ((await taken.refetch()).data) return undefined
      const uploaded = await publish(clean.value, content.value, { onlyNew: true, onStep: (at) => (step.value = at) })
      // What was begun meanwhile, on this page or after coming back to it, stays.
      const now = draftOf(NEW)
      if (!now || (now.texts[NAME] === sent.name && now.texts[TEXT] === sent.text)) dropDraft(NEW)
      if (bundle.value === sent.bundle) bundle.value = undefined
      await refresh('scripts', 'schedules', 'grants')
      return uploaded
    } catch (error) {
      problem.value = error
      return undefined
    } finally {
      creating.value = false
      step.value = undefined
    }
  }

  return { name, clean, text, bundle, leftOut, isTouched, take, size, content, taken: computed(() => taken.data.value || undefined), creating, step, problem, madeLater, create }
}
