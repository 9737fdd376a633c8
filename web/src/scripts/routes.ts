import type { RouteRecordRaw } from 'vue-router'

export const routes: RouteRecordRaw[] = [
  { path: '/scripts', name: 'scripts', component: () => import('./ScriptsPage.vue') },
  { path: '/scripts/new', name: 'new-script', component: () => import('./NewScriptPage.vue') },
  {
    path: '/scripts/:name',
    component: () => import('./ScriptPage.vue'),
    children: [
      { path: '', alias: 'overview', name: 'script', component: () => import('./OverviewPart.vue') },
      { path: 'code', name: 'script-code', component: () => import('./CodePart.vue') },
      { path: 'runs', name: 'script-runs', component: () => import('./RunsPart.vue') },
      { path: 'versions', name: 'script-versions', component: () => import('./VersionsPart.vue') },
      { path: 'settings', name: 'script-settings', component: () => import('./SettingsPart.vue') },
    ],
  },
]
