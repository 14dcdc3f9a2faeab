-- uses: clock, brakes
-- What of this month's budget is gone. ARGV: time. Returns month, used and reserved.

local _, month = calendar(now)
local used, reserved = spent(month)
return {month, used, reserved}
