/** The page's languages. English is the model; a Chinese file that lacks a key does not compile (see `Same`). */
import { computed, watchEffect, type WritableComputedRef } from 'vue'
import { createI18n } from 'vue-i18n'
import { keepText, keptText } from '../ui/kept'
import en from './en'

export type Language = 'en' | 'zh'
export const LANGUAGES: Record<Language, string> = { en: 'English', zh: '简体中文' }

const KEPT = 'cronbox.language'

function wanted(): Language {
  const kept = keptText('browser', KEPT)
  if (kept === 'en' || kept === 'zh') return kept
  return navigator.languages.some((language, at) => at === 0 && language.startsWith('zh')) ? 'zh' : 'en'
}

export const i18n = createI18n({
  legacy: false,
  locale: 'en' as string,
  fallbackLocale: 'en',
  messages: { en } as Record<string, typeof en>,
  missingWarn: import.meta.env.DEV,
  fallbackWarn: import.meta.env.DEV,
})

/** Shows a language, whose words are loaded the first time. */
async function show(chosen: Language): Promise<void> {
  if (chosen === 'zh') i18n.global.setLocaleMessage('zh', (await import('./zh')).default)
  i18n.global.locale.value = chosen
}

/** When the words of the first language are there. */
export const ready = show(wanted())

/** The language of the words. */
export const language: WritableComputedRef<Language> = computed({
  get: () => (i18n.global.locale.value === 'zh' ? 'zh' : 'en'),
  set: (chosen) => {
    keepText('browser', KEPT, chosen)
    void show(chosen)
  },
})

watchEffect(() => {
  document.documentElement.lang = language.value === 'zh' ? 'zh-CN' : 'en'
})

/** The words of a key, outside of components. */
export const t = i18n.global.t
