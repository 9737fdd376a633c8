/**
 * Rows of one height, of which only those in sight are made: any number of them, at the same cost. The frame scrolls; in it is
 * an element of `space` pixels, and in that one a block of the rows from `first` to `last`, moved down by `shift` pixels.
 */
import { computed, nextTick, onScopeDispose, ref, watch, type ComputedRef, type Ref, type ShallowRef } from 'vue'

/** Browsers cannot lay out elements much higher than this; above it, scrolling moves by more than it seems. */
const HIGHEST = 12_000_000

export interface FixedRows {
  first: ComputedRef<number>
  /** The first row that is not made. */
  last: ComputedRef<number>
  space: ComputedRef<number>
  shift: ComputedRef<number>
  /** The width of the frame without its scroll bar. */
  width: Ref<number>
  /** Where the frame is scrolled to, in pixels. */
  top: Ref<number>
  /** How many rows are in sight. */
  inSight: ComputedRef<number>
  /** Brings a row into sight; `centre` where there is room around it. */
  show(row: number, where?: 'nearest' | 'centre'): void
  toEnd(): void
}

export function useFixedRows(
  frame: Readonly<ShallowRef<HTMLElement | null>>,
  count: () => number,
  height: () => number,
  overscan = 8,
): FixedRows {
  const [top, view, width] = [ref(0), ref(0), ref(0)]
  const total = computed(() => count() * height())
  const space = computed(() => Math.min(total.value, HIGHEST))
  /** How many pixels of rows one pixel of scrolling is. */
  const factor = computed(() => (total.value > HIGHEST ? (total.value - view.value) / (HIGHEST - view.value) : 1))
  const place = computed(() => Math.max(0, Math.min(top.value, space.value - view.value)) * factor.value)
  const first = computed(() => Math.max(0, Math.floor(place.value / height()) - overscan))
  const last = computed(() => Math.min(count(), Math.ceil((place.value + view.value) / height()) + overscan))
  const shift = computed(() => first.value * height() - place.value + place.value / factor.value)
  const inSight = computed(() => Math.max(1, Math.floor(view.value / height())))

  function measure(): void {
    if (!frame.value) return
    top.value = frame.value.scrollTop
    view.value = frame.value.clientHeight
    width.value = frame.value.clientWidth
  }
  const observer = new ResizeObserver(measure)
  watch(
    frame,
    (now, before) => {
      before?.removeEventListener('scroll', measure)
      observer.disconnect()
      if (!now) return
      now.addEventListener('scroll', measure, { passive: true })
      observer.observe(now)
      measure()
    },
    { flush: 'post', immediate: true },
  )
  onScopeDispose(() => observer.disconnect())

  function to(pixels: number): void {
    void nextTick(() => {
      if (!frame.value) return
      frame.value.scrollTop = Math.max(0, pixels) / factor.value
      measure()
    })
  }

  return {
    first, last, space, shift, width, top, inSight,
    show(row, where = 'nearest') {
      const [begin, end] = [row * height(), (row + 1) * height()]
      if (where === 'centre') to(begin - view.value / 2)
      else if (begin < place.value) to(begin)
      else if (end > place.value + view.value) to(end - view.value)
    },
    toEnd: () => to(total.value),
  }
}
