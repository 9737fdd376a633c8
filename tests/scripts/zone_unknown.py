# expect: failed error=ZoneInfoNotFoundError message='Mars/Olympus'
# A zone that does not exist says so.
import zoneinfo

zoneinfo.ZoneInfo("Mars/Olympus")
