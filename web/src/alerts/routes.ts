import type { RouteRecordRaw } from 'vue-router'

export const routes: RouteRecordRaw[] = [
  {
    path: '/alerts',
    component: () => import('./AlertsRoom.vue'),
    redirect: '/channels',
    children: [{ path: '/channels', name: 'channels', component: () => import('./ChannelsPage.vue') }],
  },
]
