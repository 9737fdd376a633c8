import { VueQueryPlugin } from '@tanstack/vue-query'
import { createApp } from 'vue'
import './design/tokens.css'
import './design/base.css'
import { queryClient } from './api/queries'
import { i18n } from './i18n'
import { router } from './router'
import AppShell from './shell/AppShell.vue'
import './shell/theme'

createApp(AppShell).use(i18n).use(router).use(VueQueryPlugin, { queryClient }).mount('#app')
