import access from './access'
import alerts from './alerts'
import charts from './charts'
import common from './common'
import overview from './overview'
import runs from './runs'
import schedules from './schedules'
import scripts from './scripts'
import session from './session'
import shell from './shell'

export default { access, alerts, charts, common, overview, runs, schedules, scripts, session, shell }
