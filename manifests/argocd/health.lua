-- Health of the kinds of influxops.dev for Argo CD, the same text for all of them.
-- argocd-cm.yaml holds it; the tests keep both equal and run it over objects of a real operator.
local hs = { status = "Progressing", message = "Waiting for influxops" }

local status = obj.status
if status == nil or status.conditions == nil or #status.conditions == 0 then
  return hs
end
if obj.metadata.deletionTimestamp ~= nil then
  hs.message = "Being deleted"
end

local conditions = {}
for _, condition in ipairs(status.conditions) do
  conditions[condition.type] = condition
end

local function current(condition)
  return condition.observedGeneration == nil or condition.observedGeneration == obj.metadata.generation
end

local function holds(type)
  local condition = conditions[type]
  return condition ~= nil and condition.status == "True" and current(condition)
end

local function text(condition)
  if condition.message ~= nil and condition.message ~= "" then
    return condition.reason .. ": " .. condition.message
  end
  return condition.reason
end

-- The spec has changed and influxops has not seen it yet: the old conditions say nothing about it.
if status.observedGeneration ~= nil and obj.metadata.generation ~= nil
    and status.observedGeneration ~= obj.metadata.generation then
  return hs
end

if holds("Stalled") then
  hs.status = "Degraded"
  hs.message = text(conditions["Stalled"])
  return hs
end
if obj.metadata.deletionTimestamp ~= nil then
  if holds("Reconciling") then
    hs.message = hs.message .. ", " .. text(conditions["Reconciling"])
  end
  return hs
end
if holds("Reconciling") then
  hs.status = "Progressing"
  local reason = conditions["Reconciling"].reason
  if reason == "PlanPending" or reason == "Suspended" then
    hs.status = "Suspended" -- until a human approves, or resumes the connection
  end
  hs.message = text(conditions["Reconciling"])
  return hs
end
local ready = conditions["Ready"]
if holds("Ready") and ready.reason == "Succeeded" then
  hs.status = "Healthy" -- a backfill that has ended, suspended or not
  hs.message = text(ready)
  return hs
end
if obj.spec ~= nil and obj.spec.suspend == true then
  hs.status = "Suspended"
  hs.message = "Suspended by spec.suspend"
  return hs
end
for _, type in ipairs({ "CircuitOpen", "Failing" }) do
  if holds(type) then
    hs.status = "Degraded"
    hs.message = text(conditions[type])
    return hs
  end
end

if ready == nil then
  return hs
end
if ready.status == "True" and ready.reason == "Suspended" then
  hs.status = "Suspended" -- its connection is
  hs.message = text(ready)
elseif ready.status == "True" then
  hs.status = "Healthy"
  hs.message = text(ready)
  for _, type in ipairs({ "Late", "OwnerMismatch" }) do
    if holds(type) then
      hs.message = text(conditions[type])
    end
  end
elseif ready.status == "False" then
  hs.status = "Degraded"
  hs.message = text(ready)
else
  hs.status = "Progressing"
  hs.message = text(ready)
end
return hs
