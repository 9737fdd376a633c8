import type { RouteRecordRaw } from 'vue-router'

export const routes: RouteRecordRaw[] = [{ path: '/scripts', name: 'scripts', component: () => import('./ScriptsPage.vue') }]
