/** The code of a script while somebody edits it: its files, what was changed, and saving it without overwriting others' work. */
import { computed, type ComputedRef, type Ref, ref, shallowRef, watch } from 'vue'
import { ApiError, Unreachable } from '../api/client'
import { queryClient, refresh } from '../api/queries'
import { type Draft, draftOf, dropDraft, keepDraft } from './drafts'
import { type Content, publish, type Step, type Uploaded } from './publish'
import { fetchScript, fetchSource, type Known, type Source, sourceQuery, useSource } from './queries'
import { textOf } from './text'
import { zipOf } from '../ui/zip'

/** Another person saved this script since the draft began. */
export interface Conflict {
  theirs: Known
  source: Source
}

/** A version with changed files. */
export function withTexts(source: Source, texts: Record<string, string>): Source {
  const changed = Object.entries(texts).map(([path, text]) => [path, new TextEncoder().encode(text)] as const)
  return { ...source, files: new Map([...source.files, ...changed]) }
}

/** Changes of this draft as an upload. */
export function contentOf(source: Source, texts: Record<string, string>): Content {
  if (source.kind !== 'zip') {
    const text = texts[source.main] ?? textOf(source.files.get(source.main) ?? new Uint8Array())
    return { body: text ?? '' }
  }
  return { body: zipOf(withTexts(source, texts).files), main: source.main }
}

export function useCode(name: Ref<string>, known: ComputedRef<Known | undefined>) {
  const draft = shallowRef<Draft | undefined>(draftOf(name.value))
  watch(name, (now) => (draft.value = draftOf(now)))

  const base = computed(() => draft.value?.base?.version ?? known.value?.script.version)
  const source = useSource(name, base)
  // The version that a draft began with may be gone with a deleted script: then it goes on from the one in force, as another text.
  watch(source.error, (error) => {
    const [now, own] = [known.value?.script.version, draft.value]
    if (!(error instanceof ApiError && error.status === 404) || !own?.base || now === undefined || own.base.version === now) return
    draft.value = { ...own, base: { ...own.base, version: now } }
    keepDraft(name.value, draft.value)
  })
  const isDirty = computed(() => draft.value !== undefined)
  /** Whether a newer version is in force than the one that the draft began with. */
  const isOld = computed(() => {
    const from = draft.value?.base
    const now = known.value?.script
    return from !== undefined && now !== undefined && from.sha256 !== now.sha256
  })

  const original = (path: string): string | undefined => textOf(source.data.value?.files.get(path) ?? new Uint8Array())
  const text = (path: string): string => draft.value?.texts[path] ?? original(path) ?? ''

  function setText(path: string, now: string): void {
    const { [path]: _, ...rest } = draft.value?.texts ?? {}
    const texts = now === original(path) ? rest : { ...rest, [path]: now }
    if (Object.keys(texts).length === 0) return discard()
    const script = known.value
    const begun = draft.value?.base ?? (script && { version: script.script.version, sha256: script.script.sha256 })
    draft.value = begun ? { base: begun, texts } : { texts }
    keepDraft(name.value, draft.value)
  }

  function discard(): void {
    draft.value = undefined
    dropDraft(name.value)
  }

  const content = computed<Content | undefined>(() => source.data.value && contentOf(source.data.value, draft.value?.texts ?? {}))

  const saving = ref(false)
  const step = shallowRef<Step>()
  const problem = shallowRef<unknown>()
  const conflict = shallowRef<Conflict>()

  async function findConflict(): Promise<void> {
    const theirs = await fetchScript(name.value)
    conflict.value = { theirs, source: await fetchSource(name.value, theirs.script.version) }
    void refresh('scripts')
  }

  /**
   * Saves; answers nothing when it was not saved. `seen` is what may be replaced: another version, which was shown. `mayMake` is asked
   * before a script that was deleted meanwhile is made again.
   */
  async function save(seen?: Conflict, mayMake: () => Promise<boolean> = async () => true): Promise<Uploaded | undefined> {
    const began = seen ? seen.theirs.script : draft.value?.base
    // Files that this draft did not touch stay as the other person left them.
    const [sent, upload] = [draft.value, seen && draft.value ? contentOf(seen.source, draft.value.texts) : content.value]
    if (!upload || !sent || saving.value) return undefined
    saving.value = true
    problem.value = undefined
    try {
      // The tag of a script changes with its settings, too, and those are no conflict: the text of now is compared, and its tag sent.
      const now = await fetchScript(name.value).catch((error: unknown) => {
        if (error instanceof ApiError && error.status === 404) return undefined
        throw error
      })
      if (!now && began && !(await mayMake())) return undefined
      if (now && began && now.script.sha256 !== began.sha256) return void (await findConflict())
      const uploaded = await publish(name.value, upload, {
        ...(now ? { ifMatch: now.etag } : { onlyNew: true }),
        onStep: (at) => (step.value = at),
      })
      // What was sent is known: the editor goes on with it, and the cursor stays where it is.
      const kept = seen?.source ?? source.data.value
      if (kept) queryClient.setQueryData(sourceQuery(name.value, uploaded.version).queryKey, withTexts(kept, sent.texts))
      queryClient.setQueryData<Known>(['scripts', 'one', name.value], { script: uploaded, etag: undefined })
      // What was typed while it was being saved is still there, and begins with the new version.
      if (draft.value === sent) discard()
      else if (draft.value) {
        draft.value = { ...draft.value, base: { version: uploaded.version, sha256: uploaded.sha256 } }
        keepDraft(name.value, draft.value)
      }
      conflict.value = undefined
      await refresh('scripts', 'schedules', 'grants')
      return uploaded
    } catch (error) {
      if (error instanceof ApiError && error.status === 412) await findConflict()
      // It began with a question that is none for who saves.
      else problem.value = error instanceof Unreachable ? new Unreachable(true) : error
      return undefined
    } finally {
      saving.value = false
      step.value = undefined
    }
  }

  const saveOver = (seen: Conflict): Promise<Uploaded | undefined> => save(seen)

  return { source, base, draft, isDirty, isOld, text, original, setText, discard, content, save: (mayMake: () => Promise<boolean>) => save(undefined, mayMake), saveOver, saving, step, problem, conflict, findConflict }
}

export type Code = ReturnType<typeof useCode>
