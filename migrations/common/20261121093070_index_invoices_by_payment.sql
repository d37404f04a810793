create index if not exists invoices_by_payment on invoices (payment)
