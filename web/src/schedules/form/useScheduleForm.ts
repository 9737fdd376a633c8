/** The state of the form: what is typed, what is on the server, and what is wrong. */
import { computed, reactive, ref, watch } from 'vue'
import { ApiError, fetchOk, type Schedule } from '../../api/client'
import { refresh } from '../../api/queries'
import { aboutField } from '../../ui/errors'
import { jsonProblem } from '../args'
import { type Known, load } from '../load'
import { readSchedule } from '../read'
import { keepDraft, keptDraft } from './draft'
import { change, changedFields, creation, FIELDS, formOf, merge, requestField, type Field, type Form } from './form'

/** `draftName` is the id, or a name for a new schedule; `start` is what the form begins with. */
export function useScheduleForm(draftName: string, start: Form, id: string | undefined) {
  const draft = keptDraft(draftName)
  const base = ref<Form>(draft?.base ?? start)
  const form = reactive<Form>({ ...(draft?.form ?? start) })
  const isRestored = ref(draft !== undefined)
  const theirs = ref<Form>(start)
  const conflicts = ref<Field[]>([])
  const taken = ref<Field[]>([])
  const error = ref<unknown>()
  const busy = ref(false)
  const etag = ref<string>()
  const isDirty = computed(() => changedFields(form, base.value).length > 0)

  watch(form, () => keepDraft(draftName, isDirty.value ? { form: { ...form }, base: base.value } : undefined))

  /** Takes over what the server has now. What was typed stays. */
  function meet(known: Known): void {
    etag.value = known.etag
    const now = formOf(known.schedule)
    theirs.value = now
    const merged = merge(base.value, form, now)
    base.value = now
    Object.assign(form, merged.form)
    conflicts.value = [...new Set([...conflicts.value, ...merged.conflicts])].filter((field) => form[field] !== now[field])
    if (merged.taken.length > 0) taken.value = [...new Set([...taken.value, ...merged.taken])]
  }

  const keep = (field: Field): void => {
    conflicts.value = conflicts.value.filter((each) => each !== field)
  }
  function take(field: Field): void {
    form[field] = theirs.value[field]
    keep(field)
  }

  function reset(): void {
    Object.assign(form, start)
    base.value = start
    isRestored.value = false
    error.value = undefined
    keepDraft(draftName, undefined)
  }

  /** What the server says about each field. */
  const problems = computed(() => {
    const found: Partial<Record<Field, string>> = {}
    for (const field of FIELDS) {
      const part = requestField(field)
      const about = part === 'limits' ? aboutField(error.value, `limits.${field}`) : aboutField(error.value, part)
      if (about !== undefined) found[field] = about
    }
    return found
  })
  /** An error that no field shows. */
  const general = computed(() => (error.value !== undefined && Object.keys(problems.value).length === 0 ? error.value : undefined))

  async function send(paused: boolean): Promise<Schedule> {
    const [method, address, body] =
      id === undefined
        ? ['POST', 'v1/schedules', creation(form, paused ? { paused } : {})]
        : ['PATCH', `v1/schedules/${encodeURIComponent(id)}`, change(form, base.value)]
    const headers = { 'Content-Type': 'application/json', ...(etag.value === undefined ? {} : { 'If-Match': etag.value }) }
    return readSchedule(await (await fetchOk(address, { method, body, headers })).text())
  }

  /** The schedule as it is then; nothing when it was not saved. */
  async function save(paused: boolean): Promise<Schedule | undefined> {
    if (busy.value || conflicts.value.length > 0 || jsonProblem(form.args) !== undefined) return undefined
    busy.value = true
    error.value = undefined
    try {
      const saved = await send(paused)
      keepDraft(draftName, undefined)
      base.value = { ...form }
      await refresh('schedules', 'scheduler')
      return saved
    } catch (caught) {
      error.value = caught
      // Somebody was faster: what they saved is shown, and nothing was overwritten.
      if (id !== undefined && caught instanceof ApiError && caught.status === 412) {
        const known = await load(id).catch(() => undefined)
        if (known) {
          error.value = undefined
          meet(known)
        }
      }
      return undefined
    } finally {
      busy.value = false
    }
  }

  return { form, base, theirs, isDirty, isRestored, conflicts, taken, problems, general, busy, error, meet, keep, take, reset, save }
}
