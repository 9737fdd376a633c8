/** What plain words of triggers are made with, in the language of the page. */
import { computed } from 'vue'
import { language, t } from '../i18n'
import type { Words } from './trigger/reading'

export const words = computed<Words>(() => ({ t, locale: language.value === 'zh' ? 'zh-CN' : 'en' }))
