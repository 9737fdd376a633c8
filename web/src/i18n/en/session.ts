export default {
  title: 'Log in to Cronbox',
  ended: 'The session has ended. Log in again: what you typed is still there.',
  token: 'Token',
  hint: 'Made with “cronbox token create”, or by whoever runs this server.',
  logIn: 'Log in',
}
