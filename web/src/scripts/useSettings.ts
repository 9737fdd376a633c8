/** The settings of a script while they are changed. What was typed stays when the part is left, and when they change elsewhere. */
import { computed, type ComputedRef, reactive, ref, shallowRef } from 'vue'
import { fetchOk, type Schemas } from '../api/client'
import { refresh } from '../api/queries'
import type { Uploaded } from './publish'
import type { Known } from './queries'
import { changesOf, formOfSettings, settingsOf, type SettingsForm } from './settings'

/** What was shown when typing began, and what is typed. */
const typed = reactive(new Map<string, { begun: SettingsForm; now: SettingsForm }>())

export function useSettings(known: ComputedRef<Known>) {
  const name = computed(() => known.value.script.name)
  const saved = computed(() => formOfSettings(settingsOf(known.value.script)))
  const form = computed(() => typed.get(name.value)?.now ?? saved.value)
  const changes = computed(() => {
    const own = typed.get(name.value)
    return own ? changesOf(own.begun, own.now) : {}
  })
  const isDirty = computed(() => Object.keys(changes.value).length > 0)

  function set<K extends keyof SettingsForm>(key: K, value: SettingsForm[K]): void {
    const own = typed.get(name.value) ?? { begun: saved.value, now: structuredClone(saved.value) }
    typed.set(name.value, { begun: own.begun, now: { ...own.now, [key]: value } })
  }

  const reset = (): void => void typed.delete(name.value)
  const saving = ref(false)
  const problem = shallowRef<unknown>()
  const notGranted = shallowRef<Schemas['NotGranted'][]>([])

  async function save(): Promise<boolean> {
    saving.value = true
    problem.value = undefined
    try {
      const answer = await fetchOk(`v1/scripts/${encodeURIComponent(name.value)}`, {
        method: 'PATCH', body: JSON.stringify(changes.value), headers: { 'Content-Type': 'application/json' },
      })
      notGranted.value = ((await answer.json()) as Uploaded).not_granted
      await refresh('scripts', 'grants', 'schedules')
      reset()
      return true
    } catch (error) {
      problem.value = error
      return false
    } finally {
      saving.value = false
    }
  }

  return { form, set, changes, isDirty, reset, save, saving, problem, notGranted }
}
