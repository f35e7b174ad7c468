-- Asks the service for p-Models of ten random names, so that none comes from its cache:
--   wrk -t1 -c64 -d15s --latency -s tests/benchmarks/service.lua http://127.0.0.1:8000
local colours = {"red", "blue", "green", "grey", "orange", "brown", "teal", "pink", "yellow", "black"}
local shapes = {"circle", "star", "ring", "bar", "ellipse", "pentagon", "cross", "square"}

function request()
  local chosen, names = {}, {}
  while #names < 10 do
    local name = colours[math.random(#colours)] .. " " .. shapes[math.random(#shapes)]
    if not chosen[name] then
      chosen[name] = true
      names[#names + 1] = '"' .. name .. '"'
    end
  end
  local body = '{"classes": [' .. table.concat(names, ", ") .. '], "format": "safetensors"}'
  return wrk.format("POST", "/v1/models", {["Content-Type"] = "application/json"}, body)
end
