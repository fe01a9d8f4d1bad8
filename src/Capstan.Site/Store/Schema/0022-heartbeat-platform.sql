-- What a client's agent was built for, as its heartbeat tells: its build is judged by the order of that platform. Null until one tells.
alter table device add column platform text;
