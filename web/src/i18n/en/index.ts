import access from './access'
import charts from './charts'
import common from './common'
import overview from './overview'
import runs from './runs'
import schedules from './schedules'
import scripts from './scripts'
import session from './session'
import shell from './shell'

export default { access, charts, common, overview, runs, schedules, scripts, session, shell }
