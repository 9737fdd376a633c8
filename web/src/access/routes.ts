import type { RouteRecordRaw } from 'vue-router'

export const routes: RouteRecordRaw[] = [
  {
    path: '/access',
    component: () => import('./AccessPage.vue'),
    redirect: '/access/secrets',
    children: [
      { path: 'secrets', name: 'secrets', component: () => import('./SecretsPage.vue') },
      { path: 'tokens', name: 'tokens', component: () => import('./TokensPage.vue') },
      { path: 'grants', name: 'grants', component: () => import('./GrantsPage.vue') },
      { path: 'audit', name: 'audit', component: () => import('./AuditPage.vue') },
    ],
  },
]
