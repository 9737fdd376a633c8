import type { RouteRecordRaw } from 'vue-router'

export const routes: RouteRecordRaw[] = [{ path: '/access', name: 'access', component: () => import('./AccessPage.vue') }]
