/** Keeps a uPlot chart in an element: made when it can be seen, made again when its looks change, ended with its component. */
import type uPlot from 'uplot'
import { onMounted, onScopeDispose, ref, shallowRef, watch, type Ref } from 'vue'
import { theme } from '../shell/theme'

export interface PlotSource {
  /** Changes when the chart has to be made again; undefined while there is nothing to draw. */
  looks: () => string | undefined
  options: (element: HTMLElement, width: number) => uPlot.Options
  data: () => uPlot.AlignedData
  height: () => number
}

/** `width` follows the width of the element. */
export function usePlot(element: Readonly<Ref<HTMLElement | null>>, width: Ref<number>, source: PlotSource): Readonly<Ref<uPlot | undefined>> {
  const plot = shallowRef<uPlot>()
  const themes = ref(0)
  const kind = shallowRef<typeof uPlot>()

  const dark = matchMedia('(prefers-color-scheme: dark)')
  // The page takes the theme in the same turn; colours are read after it.
  const onTheme = (): void => void setTimeout(() => (themes.value += 1))
  dark.addEventListener('change', onTheme)
  watch(theme, onTheme)

  const sizes = new ResizeObserver(([entry]) => {
    width.value = Math.floor(entry?.contentRect.width ?? 0)
  })
  onMounted(async () => {
    if (element.value) sizes.observe(element.value)
    const [module] = await Promise.all([import('uplot'), import('uplot/dist/uPlot.min.css')])
    kind.value = module.default
  })

  const end = (): void => {
    plot.value?.destroy()
    plot.value = undefined
  }

  watch(
    [kind, () => width.value > 0, source.looks, themes],
    ([made, hasRoom, looks]) => {
      end()
      if (!made || !hasRoom || looks === undefined || !element.value) return
      plot.value = new made(source.options(element.value, width.value), source.data(), element.value)
    },
    { flush: 'post' },
  )
  watch(source.data, (data) => plot.value?.setData(data), { flush: 'post' })
  watch([width, source.height], ([wide, high]) => {
    if (wide > 0) plot.value?.setSize({ width: wide, height: high })
  }, { flush: 'post' })

  onScopeDispose(() => {
    end()
    sizes.disconnect()
    dark.removeEventListener('change', onTheme)
  })
  return plot
}
