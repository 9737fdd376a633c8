import { VueQueryPlugin } from '@tanstack/vue-query'
import { createApp } from 'vue'
import './design/tokens.css'
import './design/base.css'
import { queryClient } from './api/queries'
import { i18n, ready } from './i18n'
import { router } from './router'
import AppShell from './shell/AppShell.vue'
import './shell/theme'
import { failed } from './ui/toasts'

const app = createApp(AppShell).use(i18n).use(router).use(VueQueryPlugin, { queryClient })
app.config.errorHandler = (error) => {
  console.error(error)
  failed(error)
}
// A page that was open while the program was replaced asks for files that are no longer there: the new page is loaded.
router.onError((error: unknown, to) => {
  if (error instanceof TypeError) location.assign(router.resolve(to).href)
})
await ready
app.mount('#app')
