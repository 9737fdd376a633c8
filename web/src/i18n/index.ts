/** The page's languages. English is the model; a Chinese file that lacks a key does not compile (see `Same`). */
import { computed, watchEffect } from 'vue'
import { createI18n } from 'vue-i18n'
import en from './en'
import zh from './zh'

export type Language = 'en' | 'zh'
export const LANGUAGES: Record<Language, string> = { en: 'English', zh: '简体中文' }

const KEPT = 'cronbox.language'

function wanted(): Language {
  const kept = localStorage.getItem(KEPT)
  if (kept === 'en' || kept === 'zh') return kept
  return navigator.languages.some((language, at) => at === 0 && language.startsWith('zh')) ? 'zh' : 'en'
}

export const i18n = createI18n({
  legacy: false,
  locale: wanted(),
  fallbackLocale: 'en',
  messages: { en, zh },
  missingWarn: import.meta.env.DEV,
  fallbackWarn: import.meta.env.DEV,
})

/** The language of the words. */
export const language = computed<Language>({
  get: () => i18n.global.locale.value as Language,
  set: (chosen) => {
    i18n.global.locale.value = chosen
    localStorage.setItem(KEPT, chosen)
  },
})

watchEffect(() => {
  document.documentElement.lang = language.value === 'zh' ? 'zh-CN' : 'en'
})

/** The words of a key, outside of components. */
export const t = i18n.global.t
