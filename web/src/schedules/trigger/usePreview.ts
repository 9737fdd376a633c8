/** What the server says about a trigger while it is typed. */
import { keepPreviousData, useQuery } from '@tanstack/vue-query'
import { computed, ref, watch, type Ref } from 'vue'
import { api, ApiError, ok } from '../../api/client'
import { useLater } from '../../ui/later'

/** Typing that pauses for so long is asked about, in milliseconds. */
const PAUSE = 300
const SHOWN = 10

export function usePreview(text: Ref<string>) {
  const asked = ref(text.value.trim())
  const later = useLater()
  watch(text, (now) => later.call(PAUSE, () => (asked.value = now.trim())))

  const query = useQuery({
    queryKey: ['scheduler', 'trigger', asked],
    queryFn: ({ signal }) => ok(api.POST('/v1/triggers/preview', { body: { trigger: asked.value, count: SHOWN }, signal })),
    enabled: computed(() => asked.value !== ''),
    placeholderData: keepPreviousData,
  })
  const isCurrent = computed(() => asked.value === text.value.trim())
  const error = computed(() => (isCurrent.value && asked.value !== '' ? query.error.value : null))
  /** The place of the error in the text, from 1. */
  const column = computed(() => (error.value instanceof ApiError ? error.value.column : undefined))
  /** The server's sentence. What follows on other lines shows the place in the text, which the page does itself. */
  const problem = computed(() => (error.value instanceof Error ? error.value.message.split('\n', 1)[0] : undefined))
  return { query, problem, column, error, asked }
}
