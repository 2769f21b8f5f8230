-- What wrk sends: wrk -s load.lua URL -- KIND USERS TAG [FILE]
--
--   static  the gateway's own answer       get   a user, by an id from 1 to USERS
--   list    a page of 1000 users, after a token of FILE
--   create  a user whose address no other has; TAG tells runs apart
--   bulk    a hundred of them
--
-- Prints a line "bench KEY=VALUE..." with what it measured.

local threads = 0

function setup(thread)
   thread:set("number", threads)
   threads = threads + 1
end

local json = "Content-Type: application/json\r\n"
local users, prefix, made, random, tokens

local function get(path)
   return "GET " .. path .. " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
end

local function post(headers, body)
   return "POST /users HTTP/1.1\r\nHost: 127.0.0.1\r\n" .. json .. headers ..
      "Content-Length: " .. #body .. "\r\n\r\n" .. body
end

local function user()
   made = made + 1
   return '{"accountid":' .. made % 1000 + 1 .. ',"name":"New ' .. made .. '","email":"' ..
      prefix .. made .. '@example.com","role":2,"password":"secret ' .. made .. '"}'
end

local kinds = {
   static = function() return get("/healthz") end,
   get = function() return get("/users/" .. random(users)) end,
   list = function()
      return get("/users?page_size=1000&page_token=" .. tokens[random(#tokens)])
   end,
   create = function() return post("", user()) end,
   bulk = function()
      local body = {}
      for i = 1, 100 do body[i] = user() end
      return post("Bulk-Request: true\r\n", '{"Users":[' .. table.concat(body, ",") .. "]}")
   end,
}

function init(args)
   users = tonumber(args[2])
   prefix = "new." .. args[3] .. "." .. number .. "."
   made = 0
   random = math.random
   math.randomseed(os.time() * 100 + number)
   if args[4] then
      tokens = {}
      for line in io.lines(args[4]) do tokens[#tokens + 1] = line end
   end
   request = kinds[args[1]]
end

function done(summary, latency)
   local e = summary.errors
   print(string.format("bench rps=%.1f count=%d p50_ms=%.3f p99_ms=%.3f errors=%d",
      summary.requests / summary.duration * 1e6, summary.requests,
      latency:percentile(50) / 1000, latency:percentile(99) / 1000,
      e.status + e.connect + e.read + e.write + e.timeout))
end
