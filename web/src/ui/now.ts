/** The present in milliseconds, for relative times: one clock for the whole page, which moves each second. */
import { readonly, ref } from 'vue'

const present = ref(Date.now())
setInterval(() => {
  if (!document.hidden) present.value = Date.now()
}, 1000)
document.addEventListener('visibilitychange', () => {
  present.value = Date.now()
})

export const now = readonly(present)
