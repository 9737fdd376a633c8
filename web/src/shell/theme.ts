/** Light, dark, or as the system says. */
import { ref, watchEffect } from 'vue'
import { keepText, keptText } from '../ui/kept'

export const THEMES = ['system', 'light', 'dark'] as const
export type Theme = (typeof THEMES)[number]

const KEPT = 'cronbox.theme'
const kept = keptText('browser', KEPT)
export const theme = ref<Theme>(kept === 'light' || kept === 'dark' ? kept : 'system')

watchEffect(() => {
  if (theme.value === 'system') delete document.documentElement.dataset['theme']
  else document.documentElement.dataset['theme'] = theme.value
  keepText('browser', KEPT, theme.value)
})
