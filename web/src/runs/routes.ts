import type { RouteRecordRaw } from 'vue-router'

export const routes: RouteRecordRaw[] = [
  { path: '/runs', name: 'runs', component: () => import('./RunsPage.vue') },
  { path: '/runs/compare', name: 'compare', component: () => import('./ComparePage.vue') },
  { path: '/runs/:id', name: 'run', component: () => import('./RunPage.vue') },
]
