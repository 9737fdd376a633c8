import type { RouteRecordRaw } from 'vue-router'

export const routes: RouteRecordRaw[] = [
  { path: '/charts', name: 'charts', component: () => import('./ChartsPage.vue') },
  { path: '/charts/new', name: 'new-chart', component: () => import('./ChartPage.vue') },
  { path: '/charts/:id', alias: '/charts/:id/overview', name: 'chart', component: () => import('./ChartPage.vue') },
]
