import type { RouteRecordRaw } from 'vue-router'

export const routes: RouteRecordRaw[] = [{ path: '/charts', name: 'charts', component: () => import('./ChartsPage.vue') }]
