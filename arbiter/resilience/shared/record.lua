-- One circuit's record: every read and every change of it, each a single step of the server, on the server's clock.
-- KEYS: the record, the generation. ARGV: what to do, the version that the caller knows, then what that needs.
-- Answers: done (1 or 0), version ("" where there is no record), state, microseconds left, attempt.
local key, generation = KEYS[1], KEYS[2]
local act, seen = ARGV[1], tonumber(ARGV[2])
local DAY_MS = 86400000

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local found = redis.call('HMGET', key, 'version', 'state', 'until', 'attempt')
local version, state = tonumber(found[1] or 0), found[2]
local ends, attempt = tonumber(found[3] or 0), tonumber(found[4] or 0)

local function reply(done)
  if not state then return {done, '', '', '0', 0} end
  return {done, string.format('%.0f', version), state, string.format('%.0f', math.max(0, ends - now)), attempt}
end

-- Versions are times, so that they go on growing after the store has lost everything.
local function enter(new, interval_us, new_attempt)
  version, state, ends, attempt = math.max(version + 1, seen + 1, now), new, now + interval_us, new_attempt
  redis.call('DEL', key)
  redis.call('HSET', key, 'version', string.format('%.0f', version), 'state', state,
    'until', string.format('%.0f', ends), 'attempt', attempt, 'ok', 0)
  if state == 'closed' or state == 'open' or state == 'half-open' then
    redis.call('PEXPIRE', key, DAY_MS + math.floor(interval_us / 1000))
  end
  redis.call('INCR', generation)
end

local function leases_out()
  local all, out = redis.call('HGETALL', key), 0
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, 6) == 'lease:' then
      if tonumber(all[i + 1]) <= now then redis.call('HDEL', key, all[i]) else out = out + 1 end
    end
  end
  return out
end

if act == 'lease' then
  local id, permits, age_us = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
  if not state or (state == 'open' and now >= ends) then
    enter('half-open', 0, state and attempt or tonumber(ARGV[6]))
  end
  if state ~= 'half-open' or leases_out() >= permits then return reply(0) end
  redis.call('HSET', key, 'lease:' .. id, string.format('%.0f', now + age_us))
  return reply(1)
end

if act == 'settle' then
  local id, verdict, threshold = ARGV[3], ARGV[4], tonumber(ARGV[5])
  if version ~= seen or state ~= 'half-open' then return reply(0) end
  if redis.call('HDEL', key, 'lease:' .. id) == 0 then return reply(0) end
  if verdict == 'failed' then
    enter('open', tonumber(ARGV[6]), tonumber(ARGV[7]))
  elseif verdict == 'ok' and redis.call('HINCRBY', key, 'ok', 1) >= threshold then
    enter('closed', 0, 0)
  end
  return reply(1)
end

if act == 'decide' then
  if version > seen and ARGV[6] ~= '1' then return reply(0) end
  enter(ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]))
  return reply(1)
end

return reply(1)
