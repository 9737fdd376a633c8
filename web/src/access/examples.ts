/** What fields show as an example: what people type, the same in all languages. */
export const EXAMPLES = {
  secret: 'API_KEY',
  host: 'api.example.com',
  oldHost: 'old.example.com:8443',
  scripts: 'team-*',
  label: 'team=data',
  path: '/v2',
  memory: '512MiB',
  timeout: '30m',
  fuel: '4e11',
  output: '4MiB',
}
