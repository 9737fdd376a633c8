/** What is typed into a chart: kept by the browser until it is saved, so that nothing of it is lost. */
import { computed, ref, watch, type ComputedRef, type Ref } from 'vue'
import { dropKept, keep, kept } from '../ui/kept'
import { bodyOf, draftOf, isSame, type ChartDraft } from './chart-form'
import type { ReadChart } from './saved'

interface Kept {
  draft: ChartDraft
  tag: string | undefined
}

const place = (key: string): string => `cronbox.chart.${key}`

export interface Draft {
  draft: Ref<ChartDraft>
  /** The state that it is a change of. */
  tag: Ref<string | undefined>
  isChanged: ComputedRef<boolean>
  /** Whether it is from before this page was opened. */
  isFromBefore: Ref<boolean>
  /** Takes this state and gives up what was typed. */
  take: (read: ReadChart) => void
  forget: () => void
}

/** `key` tells charts apart; `read` is what the server has, `fresh` what a new one begins with. */
export function useDraft(key: string, read: () => ReadChart | undefined, fresh: ChartDraft): Draft {
  const before = kept('tab', place(key)) as Kept | undefined
  const start = (): ChartDraft => {
    const known = read()
    return known ? draftOf(known.chart) : structuredClone(fresh)
  }
  const base = ref(read())
  const draft = ref<ChartDraft>(before?.draft ?? start())
  const tag = ref(before ? before.tag : read()?.tag)
  const isFromBefore = ref(before !== undefined)
  const begin = bodyOf(start())
  const isChanged = computed(() => !isSame(bodyOf(draft.value), base.value?.chart ?? begin))

  const forget = (): void => dropKept('tab', place(key))
  const take = (known: ReadChart): void => {
    base.value = known
    tag.value = known.tag
    draft.value = draftOf(known.chart)
    isFromBefore.value = false
    forget()
  }

  watch(
    [draft, tag],
    () => {
      if (isChanged.value) keep('tab', place(key), { draft: draft.value, tag: tag.value } satisfies Kept)
      else forget()
    },
    { deep: true },
  )
  // A newer state is shown where nothing was typed. Else it is found out when it is saved.
  watch(read, (known) => {
    if (known && !isChanged.value) take(known)
  })
  return { draft, tag, isChanged, isFromBefore, take, forget }
}
